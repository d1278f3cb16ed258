import { it } from 'vitest';
import { importMachine } from '../../../src/lab/import/index.ts';
import { printLab, parseLab } from '../../../src/lab/file/index.ts';
import { LabMachine } from '../../../src/lab/machine/index.ts';
import { recordedMachines, otherMachines } from '../support/recorded-machines.ts';
it('x', () => {
  for (const { name, open } of [...recordedMachines, ...otherMachines()]) {
    try {
    const m = open();
    const { lab, notes } = importMachine(m);
    const text = printLab(lab);
    let r='';
    try { r = JSON.stringify(parseLab(text, name)) === JSON.stringify(lab) ? 'same' : 'DIFFERENT'; } catch (e) { r = 'ERR ' + (e as Error).message+JSON.stringify((e as any).hint); }
    console.log(name, m.functions.length, r, text.length, notes.length);
    if (/two-switches/.test(name)) { console.log(text); console.log(notes.join('\n')); }
    } catch(e) { console.log(name, 'THROW', (e as Error).stack); }
  }
});
