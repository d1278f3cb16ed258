/** SMART / Health and Endurance Group logs. Follows NVM Express Base 2.1, sections 5.1.12.1.3 and 5.1.12.1.10. */
import {
  ENDURANCE_GROUP_LOG,
  SMART_AVSP,
  SMART_AVSPT,
  SMART_CRITICAL_WARNING,
  SMART_CTEMP,
  SMART_DUR,
  SMART_DUW,
  SMART_HRC,
  SMART_HWC,
  SMART_LOG,
  SMART_MDIE,
  SMART_NEILE,
  SMART_POH,
  SMART_PUSED,
  SMART_PWRC,
  SMART_TSEN,
  SMART_UPL,
  setUnsigned,
  smartDataUnits,
} from '../../../spec/nvme/index.ts';
import type { AdminHost } from './admin-host.ts';

const MS_PER_HOUR = 3_600_000;

export function smartLog(host: AdminHost): Uint8Array {
  const bytes = new Uint8Array(SMART_LOG.sizeBytes);
  const view = new DataView(bytes.buffer);
  const { health } = host;
  const { counters } = host.services;
  SMART_CRITICAL_WARNING.setValue(view, health.warnings);
  SMART_CTEMP.setValue(view, health.temperatureK);
  SMART_AVSP.setValue(view, health.sparePercent);
  SMART_AVSPT.setValue(view, health.spareThresholdPercent);
  SMART_PUSED.setValue(view, health.usedPercent(counters));
  setUnsigned(SMART_DUR, view, smartDataUnits(counters.readBytes));
  setUnsigned(SMART_DUW, view, smartDataUnits(counters.writtenBytes));
  setUnsigned(SMART_HRC, view, counters.readCommands);
  setUnsigned(SMART_HWC, view, counters.writeCommands);
  setUnsigned(SMART_PWRC, view, health.powerCycles);
  setUnsigned(SMART_POH, view, Math.floor(host.poweredMs / MS_PER_HOUR));
  setUnsigned(SMART_UPL, view, health.unsafeShutdowns);
  setUnsigned(SMART_MDIE, view, counters.mediaErrors);
  setUnsigned(SMART_NEILE, view, host.errors.count);
  view.setUint16(SMART_TSEN.at(0), health.temperatureK, true);
  return bytes;
}

/** Units of the endurance group's counters. */
const BILLION = 1e9;

export function enduranceGroupLog(host: AdminHost): Uint8Array {
  const bytes = new Uint8Array(ENDURANCE_GROUP_LOG.sizeBytes);
  const view = new DataView(bytes.buffer);
  const { health } = host;
  const { counters } = host.services;
  view.setUint8(placeOf('Critical Warning'), health.warnings & 0b1101);
  view.setUint8(placeOf('AVSP'), health.sparePercent);
  view.setUint8(placeOf('AVSPT'), health.spareThresholdPercent);
  view.setUint8(placeOf('PUSED'), health.usedPercent(counters));
  const runs: readonly [number, number][] = [
    // Byte runs have no registers in the table; offsets are those of the section.
    [32, Math.ceil(health.ratedBytes / BILLION)],
    [48, Math.ceil(counters.readBytes / BILLION)],
    [64, Math.ceil(counters.writtenBytes / BILLION)],
    [80, Math.ceil(counters.writtenBytes / BILLION)],
    [96, counters.readCommands],
    [112, counters.writeCommands],
    [128, counters.mediaErrors],
    [144, host.errors.count],
    [160, host.subsystem.capacityBytes],
    [176, host.subsystem.unallocatedBytes],
  ];
  for (const [offset, value] of runs) {
    setUnsigned({ name: '', offset, reservedOffset: offset, sizeBytes: 16 }, view, Math.floor(value));
  }
  return bytes;
}

function placeOf(name: string): number {
  return ENDURANCE_GROUP_LOG.registers.find((register) => register.name === name)!.offset;
}
