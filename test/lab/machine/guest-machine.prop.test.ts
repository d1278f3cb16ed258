import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readBar, writeBar } from '../../../src/fabric/index.ts';
import { Guest, GuestDrive } from '../support/guest.ts';

const TEXT = `
peerlane: lab/1
below:
  - switch: sw0
    below:
      - { nvme: nvme0, cmb: 4M, namespaces: 64M }
      - { nvme: nvme1, namespaces: 64M }
  - memory: card0
`;
const NAMES = ['nvme0', 'nvme1', 'card0'] as const;

const address = fc.oneof(
  fc.nat(0xffff_ffff),
  fc.constantFrom(0, 0xffff_ffff, 0x10, 0x8000_0000, 0xfee0_0000),
);
const step = fc.oneof(
  fc.record({
    kind: fc.constant('config' as const),
    name: fc.constantFrom(...NAMES),
    // Mostly the command register and the BARs.
    dword: fc.oneof(fc.constantFrom(1, 4, 5, 6, 7, 8, 9), fc.nat(1023)),
    lengthBytes: fc.constantFrom(1 as const, 2 as const, 4 as const),
    value: address,
  }),
  fc.record({
    kind: fc.constant('store' as const),
    name: fc.constantFrom(...NAMES),
    bar: fc.nat(6),
    offset: fc.oneof(fc.nat(0x4000), fc.nat(0x40_0000)),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 16 }),
  }),
  fc.record({
    kind: fc.constant('absent' as const),
    name: fc.constantFrom(...NAMES),
    isAbsent: fc.boolean(),
  }),
  fc.record({ kind: fc.constant('reset' as const), name: fc.constantFrom(...NAMES) }),
);

test('whatever a guest writes to config space and BARs, a reset later its drives work, and reach each other', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const guest = new Guest(TEXT);
      const into = new Uint8Array(16);
      for (const each of steps) {
        const endpoint = guest.endpoint(each.name);
        switch (each.kind) {
          case 'config':
            guest.configWrite(endpoint, each.dword * 4, each.lengthBytes, each.value);
            break;
          case 'store':
            writeBar(endpoint.fn, each.bar, each.offset, each.bytes, 0, each.bytes.length);
            readBar(endpoint.fn, each.bar, each.offset, into, 0, each.bytes.length);
            break;
          case 'absent':
            guest.machine.setAbsent(each.name, each.isAbsent);
            break;
          case 'reset':
            guest.machine.powerReset(endpoint);
            break;
        }
        guest.run(1e9);
      }
      for (const name of NAMES) {
        guest.machine.setAbsent(name, false);
        guest.machine.powerReset(guest.endpoint(name));
      }
      const [nvme0, nvme1] = [new GuestDrive(guest, 'nvme0'), new GuestDrive(guest, 'nvme1')];
      nvme0.start();
      nvme1.start();
      const page = guest.alloc(4096);
      expect(nvme0.readPage(8, page)).toBe(0);
      const wanted = guest.bytes(page, 4096).slice();
      const cmb = nvme0.openCmb();
      guest.machine.fabric.counters.reset();
      expect(nvme0.readPage(8, cmb)).toBe(0);
      expect(nvme1.writePage(16, cmb)).toBe(0);
      expect(guest.machine.fabric.counters.read().rootPorts.dataBytes).toBe(0);
      expect(nvme1.readPage(16, page)).toBe(0);
      expect(guest.bytes(page, 4096)).toEqual(wanted);
    }),
    { numRuns: 60 },
  );
});
