import { describe, expect, it } from 'vitest';
import { BarLog } from '../../../../src/cli/attach/log/bar-log.ts';
import { ConfigLog } from '../../../../src/cli/attach/log/config-log.ts';
import { parseLogLevels } from '../../../../src/cli/attach/log/levels.ts';
import { DmaEngine, NvmeController } from '../../../../src/devices/index.ts';
import { CC, doorbellOffset } from '../../../../src/spec/nvme/index.ts';
import { COMMAND } from '../../../../src/spec/pci/index.ts';

describe('what can be logged', () => {
  it('is named with commas between, in any order', () => {
    expect(parseLogLevels('dma,registers')).toEqual(['registers', 'dma']);
    expect(parseLogLevels('all')).toEqual(['registers', 'commands', 'dma', 'maps']);
    expect(parseLogLevels('none')).toEqual([]);
  });

  it.each(['', 'noise', 'dma,noise', ','])('%j is refused', (text) => {
    expect(() => parseLogLevels(text)).toThrow(expect.objectContaining({ code: 'USAGE_LOG' }));
  });
});

describe('registers of a drive', () => {
  it('come by name, with the fields that have changed', () => {
    const log = new BarLog('nvme0', new NvmeController());
    const cc = CC.offset;
    expect(log.line(true, 0, cc, 4, 0x0046_0001)).toBe('nvme0 write CC = 0x00460001 EN=1 IOSQES=6 IOCQES=4');
    expect(log.line(true, 0, cc, 4, 0x0046_4001)).toBe('nvme0 write CC = 0x00464001 SHN=1');
    expect(log.line(false, 0, cc, 4, 0x0046_4001)).toBe('nvme0 read CC = 0x00464001');
    expect(log.line(true, 0, cc, 4, 0)).toBe('nvme0 write CC = 0x00000000 EN=0 SHN=0 IOSQES=0 IOCQES=0');
    log.forget();
    expect(log.line(true, 0, cc, 4, 1)).toBe('nvme0 write CC = 0x00000001 EN=1');
  });

  it('come in halves, as Linux reads those of 64 bits', () => {
    const log = new BarLog('nvme0', new NvmeController());
    expect(log.line(false, 0, 0x00, 4, 0x0f01_07ff)).toBe(
      'nvme0 read CAP[31:0] = 0x0f0107ff MQES=2047 CQR=1 TO=15',
    );
    expect(log.line(false, 0, 0x04, 4, 0x20)).toBe('nvme0 read CAP[63:32] = 0x00000020 CSS=1');
    // ASQB lies across both halves.
    expect(log.line(true, 0, 0x28, 4, 0x1000)).toBe('nvme0 write ASQ[31:0] = 0x00001000');
    expect(log.line(true, 0, 0x28, 8, 0x1_0000_1000)).toBe(
      'nvme0 write ASQ = 0x0000000100001000 ASQB=0x100001',
    );
  });

  it('say which queue a doorbell is of', () => {
    const log = new BarLog('nvme0', new NvmeController());
    expect(log.line(true, 0, doorbellOffset(1, 'sq', 0), 4, 5)).toBe('nvme0 SQ1 tail 5');
    expect(log.line(true, 0, doorbellOffset(3, 'cq', 0), 4, 7)).toBe('nvme0 CQ3 head 7');
    const wide = new BarLog('nvme0', new NvmeController({ doorbellStride: 2 }));
    expect(wide.line(true, 0, doorbellOffset(1, 'sq', 2), 4, 5)).toBe('nvme0 SQ1 tail 5');
    // Between two doorbells there is nothing.
    expect(wide.line(true, 0, 0x1004, 4, 5)).toBe('nvme0 write BAR0+0x1004 = 0x00000005');
  });

  it('without a table come by their place', () => {
    expect(new BarLog('gpu0', {}).line(false, 2, 0x10, 4, 0)).toBe('gpu0 read BAR2+0x10 = 0x00000000');
    const engine = new DmaEngine('dma0', null, 'extents', { channels: 1 });
    expect(new BarLog('dma0', engine).line(true, 0, 4, 4, 3)).toBe('dma0 write CTRL = 0x00000003 EN=1 IE=1');
  });
});

describe('config space', () => {
  function drive() {
    const bytes = new Uint8Array(256);
    const view = new DataView(bytes.buffer);
    view.setUint16(0, 0x1b36, true);
    view.setUint16(2, 0x0010, true);
    return { bytes, view, log: new ConfigLog('nvme0', bytes) };
  }

  it('is told register by register, with what has changed', () => {
    const { view, log } = drive();
    COMMAND.setValue(view, 0x0006);
    expect(log.lines(4, 2, 0x0006)).toEqual([
      'nvme0 config Command = 0x0006 Memory_Space_Enable=1 Bus_Master_Enable=1',
    ]);
    COMMAND.setValue(view, 0x0406);
    // Four bytes reach two registers.
    expect(log.lines(4, 4, 0x0406)).toEqual([
      'nvme0 config Command = 0x0406 Interrupt_Disable=1',
      'nvme0 config Status = 0x0000',
    ]);
  });

  it('says what was written where that is not what it holds', () => {
    const { view, log } = drive();
    view.setUint32(0x10, 0xffff_c004, true);
    const [line] = log.lines(0x10, 4, 0xffff_ffff);
    expect(line).toMatch(/^nvme0 config Base Address 0 = 0xffffc004 .*\(0xffffffff was written\)$/);
  });
});
