// Import directions, checked by scripts/check-imports.mjs. One row a folder of src/; STYLE of the map: docs/architecture.md.
// A folder may import itself, and of the others only their index.ts.
export const importTable = {
  base: [],
  spec: ['base'],
  rates: ['base', 'spec'],
  report: ['base', 'spec', 'rates'],
  host: ['base'],
  access: ['base', 'spec'],
  topology: ['base', 'spec', 'access'],
  p2pdma: ['base', 'spec', 'access', 'topology'],
  advice: ['base', 'spec', 'topology', 'p2pdma', 'rates'],
  mm: ['base', 'spec', 'access', 'p2pdma'],
  fabric: ['base', 'spec', 'rates', 'access'],
  devices: ['base', 'spec', 'fabric'],
  drivers: ['base', 'spec', 'access', 'p2pdma', 'mm'],
  orchestrators: ['base', 'spec', 'access', 'p2pdma', 'mm', 'drivers'],
  linux: ['base', 'spec', 'access', 'topology', 'p2pdma', 'host'],
  serve: ['base', 'spec', 'access', 'topology', 'fabric', 'drivers', 'orchestrators', 'host'],
  lab: [
    'base',
    'spec',
    'rates',
    'access',
    'topology',
    'p2pdma',
    'advice',
    'report',
    'mm',
    'fabric',
    'devices',
    'drivers',
    'orchestrators',
  ],
  cli: '*',
};

// Folders that may know the host: node: imports, process, Buffer.
export const hostFolders = ['host', 'linux', 'serve', 'cli'];

// Faces that may be imported without going through the folder's own index.ts, because they are faces themselves.
export const subFaces = [
  'spec/pci',
  'spec/pcie',
  'spec/nvme',
  'spec/nvmeof',
  'orchestrators/nvmet',
  'spec/rdma',
  'spec/vfio-user',
];
