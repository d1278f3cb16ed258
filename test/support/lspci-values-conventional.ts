// What lspci (pciutils 3.9) prints of the header and the conventional capabilities beside its flags, and how it comes out of our fields.
import { decimal, hex, map, type ValueRule } from './lspci-words.ts';

export const CONVENTIONAL_VALUES: Readonly<Record<string, readonly ValueRule[]>> = {
  header: [
    {
      pattern: /DEVSEL=(\w+)/,
      compare: (m, r) => {
        const register = m.input!.startsWith('Secondary') ? 'Secondary Status' : 'Status';
        return [
          ['DEVSEL', m[1]!, map(r(register, 'DEVSEL_Timing'), (v) => ['fast', 'medium', 'slow', '??'][v]!)],
        ];
      },
    },
    {
      pattern: /^Latency: (\d+)/,
      compare: (m, r) => [['Latency', decimal(m[1]), r('Latency Timer')]],
    },
    {
      pattern: /Cache Line Size: (\d+) bytes/,
      compare: (m, r) => [['Cache Line Size', decimal(m[1]), map(r('Cache Line Size'), (v) => v * 4)]],
    },
    {
      pattern: /^Interrupt: pin (.) /,
      compare: (m, r) => [['pin', m[1]!, map(r('Interrupt Pin'), (v) => (v <= 4 ? '?ABCD'[v]! : '?'))]],
    },
    {
      pattern: /^Bus: primary=(\w+), secondary=(\w+), subordinate=(\w+), sec-latency=(\d+)/,
      compare: (m, r) => [
        ['primary', hex(m[1]), r('Primary Bus Number') ?? r('PCI Bus Number')],
        ['secondary', hex(m[2]), r('Secondary Bus Number') ?? r('CardBus Bus Number')],
        ['subordinate', hex(m[3]), r('Subordinate Bus Number')],
        ['sec-latency', decimal(m[4]), r('Secondary Latency Timer') ?? r('CardBus Latency Timer')],
      ],
    },
    {
      // Title: `VGA compatible controller [0300]: ... [1002:7300] (rev ca) (prog-if 00 [VGA controller])`.
      pattern: /^.*? \[([0-9a-f]{4})\]: .*\[([0-9a-f]{4}):([0-9a-f]{4})\](?: \(rev ([0-9a-f]{2})\))?/,
      compare: (m, r) => [
        ['class', hex(m[1]), map(r('Class Code'), (v) => v >>> 8)],
        ['vendor', hex(m[2]), r('Vendor ID')],
        ['device', hex(m[3]), r('Device ID')],
        ['revision', m[4] === undefined ? 0 : hex(m[4]), r('Revision ID')],
      ],
    },
    {
      pattern: /\(prog-if ([0-9a-f]{2})/,
      compare: (m, r) => [['prog-if', hex(m[1]), r('Class Code', 'Programming_Interface')]],
    },
  ],
  'Power Management': [
    {
      pattern: /^Power Management version (\d)/,
      compare: (m, r) => [['version', decimal(m[1]), r('Power Management Capabilities', 'Version')]],
    },
    {
      pattern: /AuxCurrent=(\d+)mA PME\(D0(.),D1(.),D2(.),D3hot(.),D3cold(.)\)/,
      compare: (m, r) => {
        const currents = [0, 55, 100, 160, 220, 270, 320, 375];
        const support = [2, 3, 4, 5, 6].reduce((mask, i) => mask | (m[i] === '+' ? 1 << (i - 2) : 0), 0);
        return [
          [
            'AuxCurrent',
            decimal(m[1]),
            map(r('Power Management Capabilities', 'Aux_Current'), (v) => currents[v]!),
          ],
          ['PME', support, r('Power Management Capabilities', 'PME_Support')],
        ];
      },
    },
    {
      pattern: /^Status: D(\d) .*DSel=(\d+) DScale=(\d+)/,
      compare: (m, r) => [
        ['D', decimal(m[1]), r('Power Management Control/Status', 'PowerState')],
        ['DSel', decimal(m[2]), r('Power Management Control/Status', 'Data_Select')],
        ['DScale', decimal(m[3]), r('Power Management Control/Status', 'Data_Scale')],
      ],
    },
  ],
  MSI: [
    {
      pattern: /Count=(\d+)\/(\d+)/,
      compare: (m, r) => [
        ['Count granted', decimal(m[1]), map(r('Message Control', 'Multiple_Message_Enable'), (v) => 1 << v)],
        [
          'Count capable',
          decimal(m[2]),
          map(r('Message Control', 'Multiple_Message_Capable'), (v) => 1 << v),
        ],
      ],
    },
    {
      pattern: /^Address: ([0-9a-f]{8,16}) +Data: ([0-9a-f]+)/,
      compare: (m, r) => [
        [
          'Address',
          hex(m[1]),
          map(r('Message Address'), (v) => (r('Message Upper Address') ?? 0) * 2 ** 32 + v),
        ],
        ['Data', hex(m[2]), r('Message Data')],
      ],
    },
    {
      pattern: /^Masking: ([0-9a-f]+) +Pending: ([0-9a-f]+)/,
      compare: (m, r) => [
        ['Masking', hex(m[1]), r('Mask Bits')],
        ['Pending', hex(m[2]), r('Pending Bits')],
      ],
    },
  ],
  'MSI-X': [
    {
      pattern: /Count=(\d+)/,
      compare: (m, r) => [['Count', decimal(m[1]), map(r('Message Control', 'Table_Size'), (v) => v + 1)]],
    },
    {
      pattern: /Vector table: BAR=(\d) offset=([0-9a-f]+)/,
      compare: (m, r) => [
        ['table BAR', decimal(m[1]), r('Table Offset/BIR', 'Table_BIR')],
        ['table offset', hex(m[2]), map(r('Table Offset/BIR', 'Table_Offset'), (v) => v * 8)],
      ],
    },
    {
      pattern: /PBA: BAR=(\d) offset=([0-9a-f]+)/,
      compare: (m, r) => [
        ['PBA BAR', decimal(m[1]), r('PBA Offset/BIR', 'PBA_BIR')],
        ['PBA offset', hex(m[2]), map(r('PBA Offset/BIR', 'PBA_Offset'), (v) => v * 8)],
      ],
    },
  ],
  'PCI-X': [
    {
      pattern: /^Command: .*RBC=(\d+) OST=(\d+)/,
      compare: (m, r) => [
        ['RBC', decimal(m[1]), map(r('PCI-X Command', 'Maximum_Memory_Read_Byte_Count'), (v) => 512 << v)],
        [
          'OST',
          decimal(m[2]),
          map(
            r('PCI-X Command', 'Maximum_Outstanding_Split_Transactions'),
            (v) => [1, 2, 3, 4, 8, 12, 16, 32][v]!,
          ),
        ],
      ],
    },
    {
      pattern: /^Status: Dev=([0-9a-f]{2}):([0-9a-f]{2})\.(\d)/,
      compare: (m, r) => {
        const status = (field: string) => r('PCI-X Status', field) ?? r('PCI-X Bridge Status', field);
        return [
          ['bus', hex(m[1]), status('Bus_Number')],
          ['device', hex(m[2]), status('Device_Number')],
          ['function', decimal(m[3]), status('Function_Number')],
        ];
      },
    },
    {
      pattern: /DC=(\w+) DMMRBC=(\d+) DMOST=(\d+) DMCRS=(\d+)/,
      compare: (m, r) => [
        ['DC', m[1]!, map(r('PCI-X Status', 'Device_Complexity'), (v) => (v === 1 ? 'bridge' : 'simple'))],
        [
          'DMMRBC',
          decimal(m[2]),
          map(r('PCI-X Status', 'Designed_Maximum_Memory_Read_Byte_Count'), (v) => 512 << v),
        ],
        [
          'DMOST',
          decimal(m[3]),
          map(
            r('PCI-X Status', 'Designed_Maximum_Outstanding_Split_Transactions'),
            (v) => [1, 2, 3, 4, 8, 12, 16, 32][v]!,
          ),
        ],
        [
          'DMCRS',
          decimal(m[4]),
          map(r('PCI-X Status', 'Designed_Maximum_Cumulative_Read_Size'), (v) => 8 << v),
        ],
      ],
    },
    {
      pattern: /Freq=(\w+)/,
      compare: (m, r) => [
        [
          'Freq',
          m[1]!,
          map(
            r('PCI-X Secondary Status', 'Secondary_Bus_Mode_and_Frequency'),
            (v) => ['conv', '66MHz', '100MHz', '133MHz'][v] ?? '?',
          ),
        ],
      ],
    },
    {
      pattern: /^(Upstream|Downstream): Capacity=(\d+) CommitmentLimit=(\d+)/,
      compare: (m, r) => [
        ['Capacity', decimal(m[2]), r(`${m[1]} Split Transaction Control`, 'Split_Transaction_Capacity')],
        [
          'Limit',
          decimal(m[3]),
          r(`${m[1]} Split Transaction Control`, 'Split_Transaction_Commitment_Limit'),
        ],
      ],
    },
  ],
  HyperTransport: [
    {
      pattern: /^Mapping Address Base: ([0-9a-f]{16})/,
      compare: (m, r) => [
        [
          'Mapping Address',
          hex(m[1]),
          map(r('MSI Mapping Address Low'), (v) => (r('MSI Mapping Address High') ?? 0) * 2 ** 32 + v),
        ],
      ],
    },
  ],
  'Debug Port': [
    {
      pattern: /BAR=(\d) offset=([0-9a-f]+)/,
      compare: (m, r) => [
        ['BAR', decimal(m[1]), r('Debug Port', 'BAR')],
        ['offset', hex(m[2]), r('Debug Port', 'Port_Offset')],
      ],
    },
  ],
  AGP: [
    {
      pattern: /^AGP3? ?version (\d)\.(\d)/,
      compare: (m, r) => [
        ['major', decimal(m[1]), r('AGP Revision', 'Major')],
        ['minor', decimal(m[2]), r('AGP Revision', 'Minor')],
      ],
    },
  ],
  'SATA Data/Index Configuration': [
    {
      pattern: /^SATA HBA v(\d)\.(\d) BAR(\d) Offset=([0-9a-f]+)/,
      compare: (m, r) => [
        ['major', decimal(m[1]), r('SATACR0', 'MAJREV')],
        ['minor', decimal(m[2]), r('SATACR0', 'MINREV')],
        ['BAR', decimal(m[3]), map(r('SATACR1', 'BARLOC'), (v) => v - 4)],
        ['Offset', hex(m[4]), r('SATACR1', 'BAROFST')],
      ],
    },
  ],
  'Vendor-Specific': [
    { pattern: /Len=([0-9a-f]+)/, compare: (m, r) => [['Len', hex(m[1]), r('Capability Length')]] },
  ],
  'Bridge Subsystem Vendor ID': [
    {
      pattern: /^Subsystem: .*\[([0-9a-f]{4}):([0-9a-f]{4})\]$/,
      compare: (m, r) => [
        ['SSVID', hex(m[1]), r('SSVID')],
        ['SSID', hex(m[2]), r('SSID')],
      ],
    },
  ],
};
