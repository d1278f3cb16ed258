/** The discovery log page of one host through one port. NVM Express Base 2.1, 5.1.12.3.1. */
import { setAscii } from '../../../spec/nvme/index.ts';
import {
  ADDRESS_FAMILY,
  CNTLID_DYNAMIC,
  CNTLID_STATIC_ANY,
  DISCOVERY_ADRFAM,
  DISCOVERY_ASQSZ,
  DISCOVERY_CNTLID,
  DISCOVERY_EFLAGS,
  DISCOVERY_ENTRY_BYTES,
  DISCOVERY_GENCTR,
  DISCOVERY_HEADER_BYTES,
  DISCOVERY_NQN,
  DISCOVERY_NUMREC,
  DISCOVERY_PORTID,
  DISCOVERY_SUBNQN,
  DISCOVERY_SUBTYPE,
  DISCOVERY_TRADDR,
  DISCOVERY_TREQ,
  DISCOVERY_TRSVCID,
  DISCOVERY_TRTYPE,
  RDMA_CONNECTION_MANAGEMENT,
  RDMA_PROVIDER_TYPE,
  RDMA_QUEUE_PAIR_TYPE,
  SECURE_CHANNEL,
  SUBSYSTEM_TYPE,
  TCP_SECURITY_TYPE,
  TRANSPORT_TYPE,
  TSAS_RDMA_CMS,
  TSAS_RDMA_PRTYPE,
  TSAS_RDMA_QPTYPE,
  TSAS_TCP_SECTYPE,
} from '../../../spec/nvmeof/index.ts';
import type { AddressConfig } from '../config/model.ts';
import type { Controller } from '../controller.ts';
import type { Target } from '../target.ts';

/** Entries of an admin queue that every host may ask for: NVME_AQ_DEPTH of Linux. */
const ADMIN_QUEUE_ENTRIES = 32;

const TRTYPE = {
  tcp: TRANSPORT_TYPE.TCP,
  rdma: TRANSPORT_TYPE.RDMA,
  fc: TRANSPORT_TYPE.FC,
  loop: TRANSPORT_TYPE.LOOP,
} as const;
const ADRFAM = {
  ipv4: ADDRESS_FAMILY.IPV4,
  ipv6: ADDRESS_FAMILY.IPV6,
  ib: ADDRESS_FAMILY.IB,
  fc: ADDRESS_FAMILY.FC,
  loop: ADDRESS_FAMILY.LOOP,
} as const;
const TSC = {
  'not specified': SECURE_CHANNEL.NOT_SPECIFIED,
  required: SECURE_CHANNEL.REQUIRED,
  'not required': SECURE_CHANNEL.NOT_REQUIRED,
} as const;

interface Entry {
  readonly subtype: number;
  readonly portId: number;
  readonly address: AddressConfig;
  readonly nqn: string;
  readonly controllerId: number;
}

/** Header and all entries: this discovery subsystem, the subsystems that the host may use, the referrals. */
export function discoveryLog(target: Target, controller: Controller): Uint8Array {
  const { port, hostNqn } = controller;
  const { address } = port.config;
  const entries: Entry[] = [
    entry(SUBSYSTEM_TYPE.CURRENT_DISCOVERY, port.portId, address, DISCOVERY_NQN, CNTLID_DYNAMIC),
  ];
  for (const nqn of port.config.subsystems) {
    const subsystem = target.subsystem(nqn);
    if (subsystem?.allows(hostNqn) === true) {
      const id = subsystem.isStatic ? CNTLID_STATIC_ANY : CNTLID_DYNAMIC;
      entries.push(entry(SUBSYSTEM_TYPE.NVM, port.portId, address, nqn, id));
    }
  }
  for (const referral of port.config.referrals) {
    if (referral.isEnabled) {
      entries.push(
        entry(SUBSYSTEM_TYPE.REFERRAL, referral.portId, referral.address, DISCOVERY_NQN, CNTLID_DYNAMIC),
      );
    }
  }
  const data = new Uint8Array(DISCOVERY_HEADER_BYTES + entries.length * DISCOVERY_ENTRY_BYTES);
  const view = new DataView(data.buffer);
  DISCOVERY_GENCTR.setValue(view, target.discoveryGeneration);
  DISCOVERY_NUMREC.setValue(view, entries.length);
  for (const [index, one] of entries.entries()) {
    const base = DISCOVERY_HEADER_BYTES + index * DISCOVERY_ENTRY_BYTES;
    writeEntry(new DataView(data.buffer, base, DISCOVERY_ENTRY_BYTES), one);
  }
  return data;
}

function entry(
  subtype: number,
  portId: number,
  address: AddressConfig,
  nqn: string,
  controllerId: number,
): Entry {
  return { subtype, portId, address, nqn, controllerId };
}

function writeEntry(view: DataView, { subtype, portId, address, nqn, controllerId }: Entry): void {
  DISCOVERY_TRTYPE.setValue(view, TRTYPE[address.transportType]);
  DISCOVERY_ADRFAM.setValue(view, ADRFAM[address.addressFamily]);
  DISCOVERY_SUBTYPE.setValue(view, subtype);
  DISCOVERY_TREQ.TSC.write(view, TSC[address.secureChannel]);
  DISCOVERY_TREQ.DSQFC.write(view, 1);
  DISCOVERY_PORTID.setValue(view, portId);
  DISCOVERY_CNTLID.setValue(view, controllerId);
  DISCOVERY_ASQSZ.setValue(view, ADMIN_QUEUE_ENTRIES);
  if (subtype === SUBSYSTEM_TYPE.CURRENT_DISCOVERY) {
    DISCOVERY_EFLAGS.EPCSD.write(view, 1);
  }
  setAscii(DISCOVERY_TRSVCID, view, address.serviceId);
  setAscii(DISCOVERY_TRADDR, view, address.transportAddress);
  for (let i = 0; i < nqn.length; i++) {
    view.setUint8(DISCOVERY_SUBNQN.offset + i, nqn.charCodeAt(i));
  }
  if (address.transportType === 'tcp') {
    TSAS_TCP_SECTYPE.setValue(
      view,
      address.specific === 'tls1.3' ? TCP_SECURITY_TYPE.TLS_1_3 : TCP_SECURITY_TYPE.NONE,
    );
  } else if (address.transportType === 'rdma') {
    TSAS_RDMA_QPTYPE.setValue(view, RDMA_QUEUE_PAIR_TYPE.CONNECTED);
    TSAS_RDMA_PRTYPE.setValue(view, RDMA_PROVIDER_TYPE.ROCE_V2);
    TSAS_RDMA_CMS.setValue(view, RDMA_CONNECTION_MANAGEMENT.CM);
  }
}
