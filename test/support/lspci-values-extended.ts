// What lspci (pciutils 3.9) prints of the extended capabilities beside its flags, and how it comes out of our fields.
import {
  bytesOf,
  decimal,
  granularity,
  hex,
  latencyNs,
  map,
  POWER_ON_US,
  setBits,
  type ValueRule,
} from './lspci-words.ts';

export const EXTENDED_VALUES: Readonly<Record<string, readonly ValueRule[]>> = {
  'Advanced Error Reporting': [
    {
      pattern: /First Error Pointer: ([0-9a-f]+)/,
      compare: (m, r) => [
        [
          'First Error Pointer',
          hex(m[1]),
          r('Advanced Error Capabilities and Control', 'First_Error_Pointer'),
        ],
      ],
    },
    {
      pattern: /^HeaderLog: ([0-9a-f]{8}) ([0-9a-f]{8}) ([0-9a-f]{8}) ([0-9a-f]{8})/,
      compare: (m, r) =>
        [1, 2, 3, 4].map((i) => [`Header Log ${i - 1}`, hex(m[i]), r(`Header Log ${i - 1}`)] as const),
    },
    {
      pattern: /IntMsg (\d+)/,
      compare: (m, r) => [
        ['IntMsg', decimal(m[1]), r('Root Error Status', 'Advanced_Error_Interrupt_Message_Number')],
      ],
    },
    {
      pattern: /ERR_COR: ([0-9a-f]{4}) ERR_FATAL\/NONFATAL: ([0-9a-f]{4})/,
      compare: (m, r) => [
        ['ERR_COR', hex(m[1]), r('ERR_COR Source Identification')],
        ['ERR_FATAL/NONFATAL', hex(m[2]), r('ERR_FATAL/NONFATAL Source Identification')],
      ],
    },
  ],
  'Alternative Routing-ID Interpretation': [
    {
      pattern: /Next Function: (\d+)/,
      compare: (m, r) => [['Next Function', decimal(m[1]), r('ARI Capability', 'Next_Function_Number')]],
    },
    {
      pattern: /Function Group: (\d+)/,
      compare: (m, r) => [['Function Group', decimal(m[1]), r('ARI Control', 'Function_Group')]],
    },
  ],
  'Address Translation Services': [
    {
      pattern: /Invalidate Queue Depth: ([0-9a-f]+)/,
      compare: (m, r) => [
        ['Invalidate Queue Depth', hex(m[1]), r('ATS Capability', 'Invalidate_Queue_Depth')],
      ],
    },
    {
      pattern: /Smallest Translation Unit: ([0-9a-f]+)/,
      compare: (m, r) => [
        ['Smallest Translation Unit', hex(m[1]), r('ATS Control', 'Smallest_Translation_Unit')],
      ],
    },
  ],
  'Page Request Interface': [
    {
      pattern: /Page Request Capacity: ([0-9a-f]+), Page Request Allocation: ([0-9a-f]+)/,
      compare: (m, r) => [
        ['Capacity', hex(m[1]), r('Outstanding Page Request Capacity')],
        ['Allocation', hex(m[2]), r('Outstanding Page Request Allocation')],
      ],
    },
  ],
  'Process Address Space ID': [
    {
      pattern: /Max PASID Width: ([0-9a-f]+)/,
      compare: (m, r) => [['Max PASID Width', hex(m[1]), r('PASID Capability', 'Max_PASID_Width')]],
    },
  ],
  'Single Root I/O Virtualization': [
    {
      pattern:
        /Initial VFs: (\d+), Total VFs: (\d+), Number of VFs: (\d+), Function Dependency Link: ([0-9a-f]+)/,
      compare: (m, r) => [
        ['Initial VFs', decimal(m[1]), r('InitialVFs')],
        ['Total VFs', decimal(m[2]), r('TotalVFs')],
        ['Number of VFs', decimal(m[3]), r('NumVFs')],
        ['Function Dependency Link', hex(m[4]), r('Function Dependency Link')],
      ],
    },
    {
      pattern: /VF offset: (\d+), stride: (\d+), Device ID: ([0-9a-f]+)/,
      compare: (m, r) => [
        ['VF offset', decimal(m[1]), r('First VF Offset')],
        ['stride', decimal(m[2]), r('VF Stride')],
        ['Device ID', hex(m[3]), r('VF Device ID')],
      ],
    },
    {
      pattern: /Supported Page Size: ([0-9a-f]+), System Page Size: ([0-9a-f]+)/,
      compare: (m, r) => [
        ['Supported Page Size', hex(m[1]), r('Supported Page Sizes')],
        ['System Page Size', hex(m[2]), r('System Page Size')],
      ],
    },
    {
      pattern: /^Region (\d): Memory at ([0-9a-f]+) \((\d\d)-bit, (non-)?prefetchable\)/,
      compare: (m, r) => {
        const name = `VF BAR${m[1]}`;
        const low = r(name);
        const is64Bit = m[3] === '64';
        return [
          ['VF BAR type', is64Bit ? 2 : 0, r(name, 'Type')],
          ['VF BAR prefetchable', m[4] === undefined ? 1 : 0, r(name, 'Prefetchable')],
          [
            'VF BAR address',
            hex(m[2]),
            low === undefined
              ? undefined
              : ((low & 0xffff_fff0) >>> 0) + (is64Bit ? (r(`VF BAR${Number(m[1]) + 1}`) ?? 0) * 2 ** 32 : 0),
          ],
        ];
      },
    },
    {
      pattern: /VF Migration: offset: ([0-9a-f]+), BIR: (\d)/,
      compare: (m, r) => [
        [
          'VF Migration offset',
          hex(m[1]),
          map(r('VF Migration State Array Offset', 'VF_Migration_State_Offset'), (v) => v * 8),
        ],
        ['VF Migration BIR', decimal(m[2]), r('VF Migration State Array Offset', 'VF_Migration_State_BIR')],
      ],
    },
  ],
  'Resizable BAR': [
    {
      pattern: /^BAR (\d): current size: (\w+), supported: (.*)$/,
      compare: (m, r) => {
        const entry = [0, 1, 2, 3, 4, 5].find(
          (i) => r('Resizable BAR Control', 'BAR_Index', i) === decimal(m[1]),
        );
        return [
          [
            'current size',
            bytesOf(m[2]!),
            map(r('Resizable BAR Control', 'BAR_Size', entry ?? 0), (v) => 2 ** (20 + v)),
          ],
          [
            'supported',
            m[3]!.trim().split(' ').map(bytesOf).join(' '),
            map(r('Resizable BAR Capability', undefined, entry ?? 0), (v) =>
              setBits(v, 4, 31)
                .map((i) => 2 ** (16 + i))
                .join(' '),
            ),
          ],
        ];
      },
    },
  ],
  'Secondary PCI Express': [
    {
      pattern: /^LaneErrStat: (?:LaneErr at lane: ([\d ]+)|0)$/,
      compare: (m, r) => [
        [
          'LaneErrStat',
          (m[1] ?? '').trim().split(' ').filter(Boolean).join(' '),
          map(r('Lane Error Status'), (v) => setBits(v, 0, 31).join(' ')),
        ],
      ],
    },
  ],
  'L1 PM Substates': [
    {
      pattern: /PortCommonModeRestoreTime=(\d+)us PortTPowerOnTime=(\d+)us/,
      compare: (m, r) => [
        [
          'PortCommonModeRestoreTime',
          decimal(m[1]),
          r('L1 PM Substates Capabilities', 'Port_Common_Mode_Restore_Time'),
        ],
        [
          'PortTPowerOnTime',
          decimal(m[2]),
          map(
            r('L1 PM Substates Capabilities', 'Port_T_POWER_ON_Scale'),
            (v) => POWER_ON_US[v]! * r('L1 PM Substates Capabilities', 'Port_T_POWER_ON_Value')!,
          ),
        ],
      ],
    },
    {
      pattern: /T_CommonMode=(\d+)us LTR1\.2_Threshold=(\d+)ns/,
      compare: (m, r) => [
        // Of an upstream port the field is reserved, and lspci prints 0 whatever stands there.
        ...(m[1] === '0'
          ? []
          : [
              [
                'T_CommonMode',
                decimal(m[1]),
                r('L1 PM Substates Control 1', 'Common_Mode_Restore_Time'),
              ] as const,
            ]),
        [
          'LTR1.2_Threshold',
          decimal(m[2]),
          latencyNs(
            r('L1 PM Substates Control 1', 'LTR_L1_2_THRESHOLD_Value'),
            r('L1 PM Substates Control 1', 'LTR_L1_2_THRESHOLD_Scale'),
          ),
        ],
      ],
    },
    {
      pattern: /T_PwrOn=(\d+)us/,
      compare: (m, r) => [
        [
          'T_PwrOn',
          decimal(m[1]),
          map(
            r('L1 PM Substates Control 2', 'T_POWER_ON_Scale'),
            (v) => POWER_ON_US[v]! * r('L1 PM Substates Control 2', 'T_POWER_ON_Value')!,
          ),
        ],
      ],
    },
  ],
  'Latency Tolerance Reporting': [
    {
      pattern: /Max snoop latency: (\d+)ns/,
      compare: (m, r) => [
        [
          'Max snoop latency',
          decimal(m[1]),
          latencyNs(
            r('Max Snoop Latency', 'Max_Snoop_LatencyValue'),
            r('Max Snoop Latency', 'Max_Snoop_LatencyScale'),
          ),
        ],
      ],
    },
    {
      pattern: /Max no snoop latency: (\d+)ns/,
      compare: (m, r) => [
        [
          'Max no snoop latency',
          decimal(m[1]),
          latencyNs(
            r('Max No-Snoop Latency', 'Max_No_Snoop_LatencyValue'),
            r('Max No-Snoop Latency', 'Max_No_Snoop_LatencyScale'),
          ),
        ],
      ],
    },
  ],
  'Precision Time Measurement': [
    {
      pattern: /PTMClockGranularity: (.*)$/,
      compare: (m, r) => [
        [
          'PTMClockGranularity',
          m[1]!,
          granularity(r('PTM Capability', 'Local_Clock_Granularity'), 'Unimplemented'),
        ],
      ],
    },
    {
      pattern: /PTMEffectiveGranularity: (.*)$/,
      compare: (m, r) => [
        ['PTMEffectiveGranularity', m[1]!, granularity(r('PTM Control', 'Effective_Granularity'), 'Unknown')],
      ],
    },
  ],
  'Downstream Port Containment': [
    {
      pattern: /^DpcCap: INT Msg #(\d+)/,
      compare: (m, r) => [['INT Msg', decimal(m[1]), r('DPC Capability', 'DPC_Interrupt_Message_Number')]],
    },
    {
      pattern: /^DpcCtl: Trigger:(\d)/,
      compare: (m, r) => [['Trigger', decimal(m[1]), r('DPC Control', 'DPC_Trigger_Enable')]],
    },
    {
      pattern: /^DpcSta: Trigger([+-]) Reason:([0-9a-f]+)/,
      compare: (m, r) => [
        ['Trigger', m[1] === '+' ? 1 : 0, r('DPC Status', 'DPC_Trigger_Status')],
        ['Reason', hex(m[2]), r('DPC Status', 'DPC_Trigger_Reason')],
      ],
    },
    {
      pattern: /^Source: ([0-9a-f]+)/,
      compare: (m, r) => [['Source', hex(m[1]), r('DPC Error Source ID')]],
    },
  ],
  'Virtual Channel': [
    {
      pattern: /LPEVC=(\d+) RefClk=(\d+)ns PATEntryBits=(\d+)/,
      compare: (m, r) => [
        ['LPEVC', decimal(m[1]), r('Port VC Capability 1', 'Low_Priority_Extended_VC_Count')],
        [
          'PATEntryBits',
          decimal(m[3]),
          map(r('Port VC Capability 1', 'Port_Arbitration_Table_Entry_Size'), (v) => 1 << v),
        ],
      ],
    },
  ],
  'Vendor-Specific Extended': [
    {
      pattern: /ID=([0-9a-f]+) Rev=(\d+) Len=([0-9a-f]+)/,
      compare: (m, r) => [
        ['ID', hex(m[1]), r('Vendor-Specific Header', 'VSEC_ID')],
        ['Rev', decimal(m[2]), r('Vendor-Specific Header', 'VSEC_Rev')],
        ['Len', hex(m[3]), r('Vendor-Specific Header', 'VSEC_Length')],
      ],
    },
  ],
  'Root Complex Link Declaration': [
    {
      pattern: /PortNumber=([0-9a-f]+) ComponentID=([0-9a-f]+)/,
      compare: (m, r) => [
        ['PortNumber', hex(m[1]), r('Element Self Description', 'Port_Number')],
        ['ComponentID', hex(m[2]), r('Element Self Description', 'Component_ID')],
      ],
    },
    {
      pattern:
        /^Link(\d+): Desc:\s+TargetPort=([0-9a-f]+) TargetComponent=([0-9a-f]+) AssocRCRB([+-]) .*LinkValid([+-])/,
      compare: (m, r) => [
        ['TargetPort', hex(m[2]), r('Link Description', 'Target_Port_Number', decimal(m[1]))],
        ['TargetComponent', hex(m[3]), r('Link Description', 'Target_Component_ID', decimal(m[1]))],
        ['AssocRCRB', m[4] === '+' ? 1 : 0, r('Link Description', 'Associate_RCRB_Header', decimal(m[1]))],
        ['LinkValid', m[5] === '+' ? 1 : 0, r('Link Description', 'Link_Valid', decimal(m[1]))],
      ],
    },
  ],
};
