/**
 * What the status codes are called and mean, for people.
 *
 * Leaves out advice: what a host does about a status is the driver's. Names are those of NVM Express Base 2.1, section
 * 4.2.3, and NVM Command Set 1.1, section 3.1.2; the meanings are in our words.
 */
import { NVME_STATUS, type NvmeStatusKey, statusCode, statusCodeType } from './status.ts';

/** Name and one line of meaning. */
type Meaning = readonly [name: string, meaning: string];

const MEANINGS: Readonly<Record<NvmeStatusKey, Meaning>> = {
  SUCCESS: ['Successful Completion', 'The command did what it was asked.'],
  INVALID_OPCODE: ['Invalid Command Opcode', 'The controller does not know or support this opcode.'],
  INVALID_FIELD: ['Invalid Field in Command', 'A field of the command has a reserved or unsupported value.'],
  CID_CONFLICT: ['Command ID Conflict', 'Another command of that queue in flight has the same identifier.'],
  DATA_TRANSFER_ERROR: ['Data Transfer Error', 'Data or metadata could not be moved over the bus.'],
  POWER_LOSS: ['Commands Aborted due to Power Loss Notification', 'Power is about to fail.'],
  INTERNAL_ERROR: ['Internal Error', 'The controller failed in itself.'],
  ABORT_REQUESTED: ['Command Abort Requested', 'An Abort or Cancel command named this one.'],
  ABORTED_SQ_DELETION: ['Command Aborted due to SQ Deletion', 'Its submission queue was deleted.'],
  ABORTED_FAILED_FUSED: [
    'Command Aborted due to Failed Fused Command',
    'The other half of the fused pair failed.',
  ],
  ABORTED_MISSING_FUSED: [
    'Command Aborted due to Missing Fused Command',
    'The other half of the fused pair is not beside it.',
  ],
  INVALID_NAMESPACE: [
    'Invalid Namespace or Format',
    'The namespace does not exist or does not fit the command.',
  ],
  COMMAND_SEQUENCE_ERROR: ['Command Sequence Error', 'Another command should have come before.'],
  INVALID_SGL_SEGMENT: [
    'Invalid SGL Segment Descriptor',
    'A segment descriptor is wrong in itself or in its place.',
  ],
  INVALID_SGL_COUNT: ['Invalid Number of SGL Descriptors', 'A list holds too many or too few descriptors.'],
  DATA_SGL_LENGTH_INVALID: [
    'Data SGL Length Invalid',
    'The SGL describes too little memory for the data, or too much.',
  ],
  METADATA_SGL_LENGTH_INVALID: [
    'Metadata SGL Length Invalid',
    'The SGL describes too little memory for the metadata, or too much.',
  ],
  SGL_TYPE_INVALID: [
    'SGL Descriptor Type Invalid',
    'The type or subtype of a descriptor is not supported here.',
  ],
  INVALID_CMB_USE: [
    'Invalid Use of Controller Memory Buffer',
    'The CMB does not allow what the command wants to keep in it.',
  ],
  INVALID_PRP_OFFSET: ['PRP Offset Invalid', 'A PRP entry starts where it may not.'],
  ATOMIC_WRITE_UNIT_EXCEEDED: ['Atomic Write Unit Exceeded', 'The write is longer than may be atomic.'],
  OPERATION_DENIED: ['Operation Denied', 'Access rights forbid the command.'],
  INVALID_SGL_OFFSET: [
    'SGL Offset Invalid',
    'An offset in a descriptor points outside the capsule or the data.',
  ],
  HOST_ID_FORMAT: [
    'Host Identifier Inconsistent Format',
    'Hosts use identifiers of 64 and of 128 bits at once.',
  ],
  KEEP_ALIVE_EXPIRED: ['Keep Alive Timer Expired', 'The host was silent for too long.'],
  KEEP_ALIVE_INVALID: ['Keep Alive Timeout Invalid', 'The requested time is not possible.'],
  PREEMPT_ABORTED: [
    'Command Aborted due to Preempt and Abort',
    'A reservation was taken over with an abort.',
  ],
  SANITIZE_FAILED: ['Sanitize Failed', 'The last sanitize failed and was not recovered from.'],
  SANITIZE_IN_PROGRESS: ['Sanitize In Progress', 'The command may not run during a sanitize.'],
  SGL_GRANULARITY_INVALID: [
    'SGL Data Block Granularity Invalid',
    'An address or length breaks the granularity that the controller asks for.',
  ],
  NOT_SUPPORTED_IN_CMB_QUEUE: [
    'Command Not Supported for Queue in CMB',
    'This command may not stand in a queue in controller memory.',
  ],
  NAMESPACE_WRITE_PROTECTED: ['Namespace is Write Protected', 'Nothing may change in this namespace.'],
  COMMAND_INTERRUPTED: ['Command Interrupted', 'The controller was busy with something else; try again.'],
  TRANSIENT_TRANSPORT_ERROR: ['Transient Transport Error', 'The transport failed for a moment; try again.'],
  PROHIBITED_BY_LOCKDOWN: [
    'Command Prohibited by Command and Feature Lockdown',
    'A Lockdown command forbids it.',
  ],
  ADMIN_MEDIA_NOT_READY: ['Admin Command Media Not Ready', 'The controller is ready, its media are not yet.'],
  INVALID_KEY_TAG: ['Invalid Key Tag', 'No encryption key belongs to the tag.'],
  HOST_DISPERSED_NOT_ENABLED: [
    'Host Dispersed Namespace Support Not Enabled',
    'The host did not say that it knows dispersed namespaces.',
  ],
  HOST_ID_NOT_INITIALIZED: ['Host Identifier Not Initialized', 'The host has to name itself first.'],
  INCORRECT_KEY: ['Incorrect Key', 'The key of the tag is not the right one.'],
  FDP_DISABLED: ['FDP Disabled', 'Flexible data placement is off in the endurance group.'],
  INVALID_PLACEMENT_HANDLES: ['Invalid Placement Handle List', 'A placement handle is wrong or named twice.'],
  LBA_OUT_OF_RANGE: ['LBA Out of Range', 'The command reaches beyond the last block.'],
  CAPACITY_EXCEEDED: ['Capacity Exceeded', 'The medium has no room left for the namespace.'],
  NAMESPACE_NOT_READY: [
    'Namespace Not Ready',
    'The namespace cannot be used now; DNR tells whether to try again.',
  ],
  RESERVATION_CONFLICT: ['Reservation Conflict', 'Another host holds a reservation.'],
  FORMAT_IN_PROGRESS: ['Format In Progress', 'The namespace is being formatted.'],
  INVALID_VALUE_SIZE: ['Invalid Value Size', 'Key-value command set: the size of the value is not possible.'],
  INVALID_KEY_SIZE: ['Invalid Key Size', 'Key-value command set: the size of the key is not possible.'],
  KEY_DOES_NOT_EXIST: ['KV Key Does Not Exist', 'Key-value command set: no such key.'],
  UNRECOVERED_ERROR: ['Unrecovered Error', 'Key-value command set: the value could not be read.'],
  KEY_EXISTS: ['Key Exists', 'Key-value command set: there is such a key already.'],
  CQ_INVALID: [
    'Completion Queue Invalid',
    'The completion queue does not exist, or not with that identifier.',
  ],
  INVALID_QUEUE_ID: ['Invalid Queue Identifier', 'The identifier is 0, too large, in use, or not in use.'],
  INVALID_QUEUE_SIZE: ['Invalid Queue Size', '0, or more entries than the controller supports.'],
  ABORT_LIMIT_EXCEEDED: [
    'Abort Command Limit Exceeded',
    'More Abort commands at once than the controller takes.',
  ],
  ASYNC_EVENT_LIMIT_EXCEEDED: [
    'Asynchronous Event Request Limit Exceeded',
    'More event requests at once than the controller takes.',
  ],
  INVALID_FIRMWARE_SLOT: ['Invalid Firmware Slot', 'The slot does not exist or is read only.'],
  INVALID_FIRMWARE_IMAGE: ['Invalid Firmware Image', 'The image does not check out.'],
  INVALID_INTERRUPT_VECTOR: ['Invalid Interrupt Vector', 'The vector does not exist or is not enabled.'],
  INVALID_LOG_PAGE: ['Invalid Log Page', 'The log page does not exist or not with these parameters.'],
  INVALID_FORMAT: ['Invalid Format', 'The format of the blocks is not supported or does not fit.'],
  FIRMWARE_NEEDS_CONVENTIONAL_RESET: [
    'Firmware Activation Requires Conventional Reset',
    'Committed; it starts at such a reset.',
  ],
  INVALID_QUEUE_DELETION: ['Invalid Queue Deletion', 'Submission queues still use this completion queue.'],
  FEATURE_NOT_SAVEABLE: ['Feature Identifier Not Saveable', 'The feature cannot outlive a reset.'],
  FEATURE_NOT_CHANGEABLE: ['Feature Not Changeable', 'The feature has one value, now or always.'],
  FEATURE_NOT_NAMESPACE_SPECIFIC: [
    'Feature Not Namespace Specific',
    'The feature belongs to the whole controller.',
  ],
  FIRMWARE_NEEDS_SUBSYSTEM_RESET: [
    'Firmware Activation Requires NVM Subsystem Reset',
    'Committed; it starts at such a reset.',
  ],
  FIRMWARE_NEEDS_CONTROLLER_RESET: [
    'Firmware Activation Requires Controller Level Reset',
    'Committed; it starts at such a reset.',
  ],
  FIRMWARE_NEEDS_TIME: [
    'Firmware Activation Requires Maximum Time Violation',
    'At once it would take longer than MTFA allows.',
  ],
  FIRMWARE_PROHIBITED: ['Firmware Activation Prohibited', 'The image may not be used on this controller.'],
  OVERLAPPING_RANGE: ['Overlapping Range', 'Ranges that were given overlap.'],
  NAMESPACE_INSUFFICIENT_CAPACITY: [
    'Namespace Insufficient Capacity',
    'No room for a namespace of that size.',
  ],
  NAMESPACE_ID_UNAVAILABLE: ['Namespace Identifier Unavailable', 'No identifier is left.'],
  NAMESPACE_ALREADY_ATTACHED: ['Namespace Already Attached', 'The controller has the namespace already.'],
  NAMESPACE_PRIVATE: ['Namespace Is Private', 'Another controller has it and does not share it.'],
  NAMESPACE_NOT_ATTACHED: ['Namespace Not Attached', 'The controller does not have the namespace.'],
  THIN_PROVISIONING_NOT_SUPPORTED: ['Thin Provisioning Not Supported', 'Size and capacity have to be equal.'],
  CONTROLLER_LIST_INVALID: [
    'Controller List Invalid',
    'The list is out of order, too long, or names what is not there.',
  ],
  SELF_TEST_IN_PROGRESS: ['Device Self-test In Progress', 'One self-test at a time.'],
  BOOT_PARTITION_WRITE_PROHIBITED: ['Boot Partition Write Prohibited', 'The boot partition is locked.'],
  INVALID_CONTROLLER_ID: [
    'Invalid Controller Identifier',
    'No controller with that identifier can be meant.',
  ],
  INVALID_SECONDARY_STATE: [
    'Invalid Secondary Controller State',
    'The secondary controller has to be offline (or online) for this.',
  ],
  INVALID_RESOURCE_COUNT: [
    'Invalid Number of Controller Resources',
    'So many queues or interrupts cannot be assigned.',
  ],
  INVALID_RESOURCE_ID: ['Invalid Resource Identifier', 'No such kind of resource.'],
  SANITIZE_PROHIBITED_PMR: [
    'Sanitize Prohibited While PMR is Enabled',
    'Switch the persistent memory region off first.',
  ],
  ANA_GROUP_INVALID: ['ANA Group Identifier Invalid', 'No such group.'],
  ANA_ATTACH_FAILED: ['ANA Attach Failed', 'The state of the group does not allow the attachment.'],
  INSUFFICIENT_CAPACITY: ['Insufficient Capacity', 'Not enough unallocated capacity.'],
  NAMESPACE_ATTACHMENT_LIMIT: ['Namespace Attachment Limit Exceeded', 'More attachments than possible.'],
  LOCKDOWN_NOT_SUPPORTED: [
    'Prohibition of Command Execution Not Supported',
    'This command or feature cannot be locked.',
  ],
  COMMAND_SET_NOT_SUPPORTED: ['I/O Command Set Not Supported', 'The controller lacks that I/O command set.'],
  COMMAND_SET_NOT_ENABLED: ['I/O Command Set Not Enabled', 'The I/O command set is there but not enabled.'],
  COMMAND_SET_COMBINATION_REJECTED: [
    'I/O Command Set Combination Rejected',
    'These I/O command sets do not go together now.',
  ],
  INVALID_COMMAND_SET: ['Invalid I/O Command Set', 'The namespace is of another I/O command set.'],
  IDENTIFIER_UNAVAILABLE: ['Identifier Unavailable', 'No identifier is left for what was to be created.'],
  INVALID_CONTROLLER_DATA_QUEUE: ['Invalid Controller Data Queue', 'No such controller data queue.'],
  NOT_ENOUGH_RESOURCES: ['Not Enough Resources', 'The controller cannot spare what the command needs.'],
  CONTROLLER_SUSPENDED: ['Controller Suspended', 'The controller is suspended for migration.'],
  CONTROLLER_NOT_SUSPENDED: ['Controller Not Suspended', 'The controller has to be suspended first.'],
  CONTROLLER_DATA_QUEUE_FULL: ['Controller Data Queue Full', 'The host has to empty the queue.'],
  CONFLICTING_ATTRIBUTES: [
    'Conflicting Attributes',
    'The attributes of a Dataset Management exclude each other.',
  ],
  INVALID_PROTECTION_INFORMATION: [
    'Invalid Protection Information',
    'PRINFO or tags do not fit the type of protection.',
  ],
  WRITE_TO_READ_ONLY: ['Attempted Write to Read Only Range', 'The blocks may not be written.'],
  COMMAND_SIZE_LIMIT: ['Command Size Limit Exceeded', 'More blocks or ranges than this command may have.'],
  INCOMPATIBLE_NAMESPACE: ['Incompatible Namespace or Format', 'Source and destination differ in format.'],
  FAST_COPY_NOT_POSSIBLE: [
    'Fast Copy Not Possible',
    'Only a copy piece by piece would do, and the host excluded it.',
  ],
  OVERLAPPING_IO_RANGE: ['Overlapping I/O Range', 'Source and destination overlap.'],
  INSUFFICIENT_RESOURCES: [
    'Insufficient Resources',
    'The controller lacks what a copy of these ranges needs.',
  ],
  WRITE_FAULT: ['Write Fault', 'The medium did not take the data.'],
  UNRECOVERED_READ_ERROR: ['Unrecovered Read Error', 'The medium did not give the data.'],
  GUARD_CHECK_ERROR: ['End-to-end Guard Check Error', 'The checksum does not match the data.'],
  APPLICATION_TAG_CHECK_ERROR: [
    'End-to-end Application Tag Check Error',
    'The application tag is another one.',
  ],
  REFERENCE_TAG_CHECK_ERROR: ['End-to-end Reference Tag Check Error', 'The reference tag is another one.'],
  COMPARE_FAILURE: ['Compare Failure', 'The data differ.'],
  ACCESS_DENIED: ['Access Denied', 'The blocks are locked or may not be accessed.'],
  DEALLOCATED_OR_UNWRITTEN: [
    'Deallocated or Unwritten Logical Block',
    'The host asked to be told when it reads what nobody wrote.',
  ],
  STORAGE_TAG_CHECK_ERROR: ['End-to-end Storage Tag Check Error', 'The storage tag is another one.'],
  INTERNAL_PATH_ERROR: [
    'Internal Path Error',
    'The controller cannot reach the namespace; the cause is in itself.',
  ],
  ANA_PERSISTENT_LOSS: ['Asymmetric Access Persistent Loss', 'This controller lost the group for good.'],
  ANA_INACCESSIBLE: ['Asymmetric Access Inaccessible', 'The group is reached through another controller.'],
  ANA_TRANSITION: ['Asymmetric Access Transition', 'The state of the group is changing; try again.'],
  CONTROLLER_PATHING_ERROR: ['Controller Pathing Error', 'The controller noticed a fault on the way.'],
  HOST_PATHING_ERROR: ['Host Pathing Error', 'The host noticed a fault on the way.'],
  ABORTED_BY_HOST: ['Command Aborted By Host', 'The host gave up, and no completion came.'],
};

const BY_NUMBER: ReadonlyMap<number, Meaning> = new Map(
  (Object.keys(MEANINGS) as NvmeStatusKey[]).map((key) => [NVME_STATUS[key], MEANINGS[key]]),
);

const TYPE_NAMES: readonly (string | undefined)[] = [
  'Generic',
  'Command Specific',
  'Media and Data Integrity',
  'Path Related',
  undefined,
  undefined,
  undefined,
  'Vendor Specific',
];

/**
 * The specification's name of a packed status, such as "LBA Out of Range"; for one without a name, its type and code,
 * such as "Vendor Specific 4Ah".
 */
export function statusName(packed: number): string {
  const known = BY_NUMBER.get(packed);
  if (known !== undefined) {
    return known[0];
  }
  const type = TYPE_NAMES[statusCodeType(packed)] ?? 'Reserved';
  return `${type} ${statusCode(packed).toString(16).toUpperCase().padStart(2, '0')}h`;
}

/** One line on what a packed status means; null when it is not in the table. */
export function statusMeaning(packed: number): string | null {
  return BY_NUMBER.get(packed)?.[1] ?? null;
}
