/**
 * The discovery log page (LOG_PAGE.DISCOVERY, 70h): where subsystems are reached. And the event that says it has changed.
 *
 * Leaves out extended entries and registration with a central discovery controller. Follows NVM Express Base 2.1, section 5.1.12.3.1.
 */
import { bit, bits, plain, register, reserved, structure } from '../../base/index.ts';
import { ASYNC_EVENT_TYPE, type AsyncEvent, byteRun, LOG_PAGE } from '../nvme/index.ts';

/** The well-known name of a discovery subsystem. NVM Express Base 2.1, 4.7. */
export const DISCOVERY_NQN = 'nqn.2014-08.org.nvmexpress.discovery';

export const DISCOVERY_HEADER_BYTES = 1024;
export const DISCOVERY_GENCTR = plain('GENCTR', 0, 64);
export const DISCOVERY_NUMREC = plain('NUMREC', 8, 64);
export const DISCOVERY_RECFMT = plain('RECFMT', 16, 16);
export const DISCOVERY_HEADER = structure(
  'Discovery Log Page Header',
  'NVM Express Base 2.1, 5.1.12.3.1',
  DISCOVERY_HEADER_BYTES,
  [DISCOVERY_GENCTR, DISCOVERY_NUMREC, DISCOVERY_RECFMT, reserved(18, 1006)],
);

export const DISCOVERY_ENTRY_BYTES = 1024;
export const DISCOVERY_TRTYPE = plain('TRTYPE', 0, 8);
export const DISCOVERY_ADRFAM = plain('ADRFAM', 1, 8);
export const DISCOVERY_SUBTYPE = plain('SUBTYPE', 2, 8);
export const DISCOVERY_TREQ = register('TREQ', 3, 8, {
  /** See SECURE_CHANNEL. */
  TSC: bits(1, 0),
  /** The controller can work without SQ flow control. */
  DSQFC: bit(2),
});
export const DISCOVERY_PORTID = plain('PORTID', 4, 16);
export const DISCOVERY_CNTLID = plain('CNTLID', 6, 16);
export const DISCOVERY_ASQSZ = plain('ASQSZ', 8, 16);
export const DISCOVERY_EFLAGS = register('EFLAGS', 10, 16, {
  /** Other discovery controllers give the same log. */
  DUPRETINFO: bit(0),
  /** Explicit persistent connections are supported. */
  EPCSD: bit(1),
  NCC: bit(2),
});
export const DISCOVERY_TRSVCID = byteRun('TRSVCID', 32, 32);
export const DISCOVERY_SUBNQN = byteRun('SUBNQN', 256, 256);
export const DISCOVERY_TRADDR = byteRun('TRADDR', 512, 256);
export const DISCOVERY_TSAS = byteRun('TSAS', 768, 256);
export const DISCOVERY_ENTRY = structure(
  'Discovery Log Page Entry',
  'NVM Express Base 2.1, 5.1.12.3.1',
  DISCOVERY_ENTRY_BYTES,
  [
    DISCOVERY_TRTYPE,
    DISCOVERY_ADRFAM,
    DISCOVERY_SUBTYPE,
    DISCOVERY_TREQ,
    DISCOVERY_PORTID,
    DISCOVERY_CNTLID,
    DISCOVERY_ASQSZ,
    DISCOVERY_EFLAGS,
    reserved(12, 20),
    DISCOVERY_TRSVCID,
    reserved(64, 192),
    DISCOVERY_SUBNQN,
    DISCOVERY_TRADDR,
    DISCOVERY_TSAS,
  ],
);

export const TRANSPORT_TYPE = { PCIE: 0, RDMA: 1, FC: 2, TCP: 3, LOOP: 254 } as const;
export const ADDRESS_FAMILY = { PCIE: 0, IPV4: 1, IPV6: 2, IB: 3, FC: 4, LOOP: 254 } as const;
export const SUBSYSTEM_TYPE = { REFERRAL: 1, NVM: 2, CURRENT_DISCOVERY: 3 } as const;
export const SECURE_CHANNEL = { NOT_SPECIFIED: 0, REQUIRED: 1, NOT_REQUIRED: 2 } as const;

/** TSAS of TCP: the security type. NVMe over TCP Transport 1.1, 3.1.1. */
export const TSAS_TCP_SECTYPE = plain('SECTYPE', 768, 8);
export const TCP_SECURITY_TYPE = { NONE: 0, TLS_1_2: 1, TLS_1_3: 2 } as const;
/** TSAS of RDMA. NVMe over RDMA Transport 1.1, 3.1.1. */
export const TSAS_RDMA_QPTYPE = plain('RDMA_QPTYPE', 768, 8);
export const TSAS_RDMA_PRTYPE = plain('RDMA_PRTYPE', 769, 8);
export const TSAS_RDMA_CMS = plain('RDMA_CMS', 770, 8);
export const RDMA_QUEUE_PAIR_TYPE = { CONNECTED: 1, DATAGRAM: 2 } as const;
export const RDMA_PROVIDER_TYPE = { NONE: 1, IB: 2, ROCE: 3, ROCE_V2: 4, IWARP: 5 } as const;
export const RDMA_CONNECTION_MANAGEMENT = { CM: 1 } as const;

/** The discovery log has changed; enabled by DISCOVERY_EVENT_ENABLE of the configuration. NVM Express Base 2.1, 5.1.2.1. */
export const DISCOVERY_CHANGE_EVENT: AsyncEvent = {
  type: ASYNC_EVENT_TYPE.NOTICE,
  information: 0xf0,
  logPage: LOG_PAGE.DISCOVERY,
  enable: 31,
};
