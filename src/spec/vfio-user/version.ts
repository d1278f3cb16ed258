/** VERSION: the first message of a client. Numbers, then JSON text that ends with a NUL. */
import { plain, structure } from '../../base/index.ts';
import { sourceOf } from './message.ts';

export const VERSION_MAJOR = plain('Major version', 0x00, 16);
export const VERSION_MINOR = plain('Minor version', 0x02, 16);
/** The text starts here. */
export const VERSION_PAYLOAD = structure('Version', sourceOf('VFIO_USER_VERSION'), 4, [
  VERSION_MAJOR,
  VERSION_MINOR,
]);

/** What the text holds. Every capability may be missing. */
export interface VersionText {
  readonly capabilities?: VersionCapabilities;
}

export interface VersionCapabilities {
  /** Descriptors in one message. Default 1. */
  readonly max_msg_fds?: number;
  /** Bytes of data in one message. Default 1048576. */
  readonly max_data_xfer_size?: number;
  /** Granularity of mappings, a bit for each size. Default 4096. */
  readonly pgsizes?: number;
  /** Mappings that the server must be able to hold. Default 65535. */
  readonly max_dma_maps?: number;
  /** REGION_WRITE_MULTI may be sent. Default false. */
  readonly write_multiple?: boolean;
}

/** What holds where a side says nothing. */
export const VERSION_DEFAULTS = {
  max_msg_fds: 1,
  max_data_xfer_size: 1_048_576,
  pgsizes: 4096,
  max_dma_maps: 65_535,
} as const;
