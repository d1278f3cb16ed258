// Import directions: every import in src/ is held against import-table.mjs, and only host folders know the host.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hostFolders, importTable, subFaces } from './import-table.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const source = join(root, 'src');
const complaints = [];
let files = 0;

for (const path of readdirSync(source, { recursive: true })) {
  if (!path.endsWith('.ts')) continue;
  files++;
  const file = join(source, path);
  const folder = path.includes('/') ? path.split('/')[0] : '';
  const text = readFileSync(file, 'utf8');
  if (folder !== '' && importTable[folder] === undefined) {
    complaints.push(`src/${path}: folder ${folder} has no row in scripts/import-table.mjs`);
    continue;
  }
  const code = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
  if (folder !== '' && !hostFolders.includes(folder)) {
    const host = /\b(process\.|Buffer\.|__dirname|require\()/.exec(code);
    if (host) complaints.push(`src/${path}: uses ${host[1]} but ${folder} must not know the host`);
  }
  for (const match of code.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)) {
    const target = match[1];
    if (target.startsWith('node:')) {
      if (folder !== '' && !hostFolders.includes(folder)) complaints.push(`src/${path}: imports ${target}`);
      continue;
    }
    if (!target.startsWith('.')) continue;
    const to = relative(source, resolve(dirname(file), target));
    const toFolder = to.split('/')[0];
    if (toFolder === folder) continue;
    const allowed = folder === '' ? '*' : importTable[folder];
    if (allowed !== '*' && !allowed.includes(toFolder)) {
      complaints.push(`src/${path}: ${folder} may not import ${toFolder}`);
    }
    const isFace = to === `${toFolder}/index.ts` || subFaces.some((face) => to === `${face}/index.ts`);
    if (!isFace) complaints.push(`src/${path}: imports ${to} past the face of ${toFolder}`);
  }
}

for (const line of complaints) console.error(line);
console.log(`imports: ${files} files, ${complaints.length} wrong`);
process.exit(complaints.length === 0 ? 0 : 1);
