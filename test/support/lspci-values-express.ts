// What lspci (pciutils 3.9) prints of the PCI Express capability beside its flags, and how it comes out of our fields.
import {
  ASPM_CONTROL,
  ASPM_SUPPORT,
  bytes128,
  decimal,
  hex,
  INDICATOR,
  L0S,
  L1,
  map,
  PORT_TYPES,
  RANGES,
  SPEEDS,
  speed,
  TIMEOUTS,
  type ValueRule,
  watts,
} from './lspci-words.ts';

export const EXPRESS_VALUES: Readonly<Record<string, readonly ValueRule[]>> = {
  'PCI Express': [
    {
      pattern: /^Express \(v(\d+)\) (.*?)(?: \(Slot[+-]\))?, MSI ([0-9a-f]{2})/,
      compare: (m, r) => [
        ['version', decimal(m[1]), r('PCI Express Capabilities', 'Capability_Version')],
        ['type', m[2]!, map(r('PCI Express Capabilities', 'Device_Port_Type'), (v) => PORT_TYPES[v] ?? '?')],
        ['MSI', hex(m[3]), r('PCI Express Capabilities', 'Interrupt_Message_Number')],
      ],
    },
    {
      pattern: /^DevCap: MaxPayload (\d+) bytes, PhantFunc (\d)/,
      compare: (m, r) => [
        ['MaxPayload', decimal(m[1]), bytes128(r('Device Capabilities', 'Max_Payload_Size_Supported'))],
        [
          'PhantFunc',
          decimal(m[2]),
          map(r('Device Capabilities', 'Phantom_Functions_Supported'), (v) => (1 << v) - 1),
        ],
      ],
    },
    {
      pattern: /^DevCap: .*Latency L0s (\S+), L1 (\S+)/,
      compare: (m, r) => [
        ['L0s', m[1]!, map(r('Device Capabilities', 'Endpoint_L0s_Acceptable_Latency'), (v) => L0S[v]!)],
        ['L1', m[2]!, map(r('Device Capabilities', 'Endpoint_L1_Acceptable_Latency'), (v) => L1[v]!)],
      ],
    },
    {
      pattern: /SlotPowerLimit ([\d.]+)W/,
      compare: (m, r) => [
        [
          'SlotPowerLimit',
          Number(m[1]),
          watts(
            r('Device Capabilities', 'Captured_Slot_Power_Limit_Value'),
            r('Device Capabilities', 'Captured_Slot_Power_Limit_Scale'),
          ),
        ],
      ],
    },
    {
      pattern: /^DevCtl: MaxPayload (\d+) bytes, MaxReadReq (\d+) bytes/,
      compare: (m, r) => [
        ['MaxPayload', decimal(m[1]), bytes128(r('Device Control', 'Max_Payload_Size'))],
        ['MaxReadReq', decimal(m[2]), bytes128(r('Device Control', 'Max_Read_Request_Size'))],
      ],
    },
    {
      pattern: /^LnkCap: Port #(\d+), Speed ([^,]+), Width x(\d+), ASPM ([^,]+)/,
      compare: (m, r) => [
        ['Port', decimal(m[1]), r('Link Capabilities', 'Port_Number')],
        ['Speed', m[2]!, speed(r('Link Capabilities', 'Max_Link_Speed'))],
        ['Width', decimal(m[3]), r('Link Capabilities', 'Maximum_Link_Width')],
        ['ASPM', m[4]!, map(r('Link Capabilities', 'ASPM_Support'), (v) => ASPM_SUPPORT[v]!)],
      ],
    },
    {
      pattern: /^LnkCap: .*Exit Latency .*?L0s ([^,]+)/,
      compare: (m, r) => [
        ['L0s exit', m[1]!, map(r('Link Capabilities', 'L0s_Exit_Latency'), (v) => L0S[v]!)],
      ],
    },
    {
      pattern: /^LnkCap: .*Exit Latency .*?L1 ([^,]+)/,
      compare: (m, r) => [['L1 exit', m[1]!, map(r('Link Capabilities', 'L1_Exit_Latency'), (v) => L1[v]!)]],
    },
    {
      pattern: /^LnkCtl: ASPM ([^;]+);(?: RCB (\d+) bytes)?/,
      compare: (m, r) => [
        ['ASPM', m[1]!, map(r('Link Control', 'ASPM_Control'), (v) => ASPM_CONTROL[v]!)],
        ...(m[2] === undefined
          ? []
          : [
              [
                'RCB',
                decimal(m[2]),
                map(r('Link Control', 'Read_Completion_Boundary'), (v) => (v === 1 ? 128 : 64)),
              ] as const,
            ]),
      ],
    },
    {
      pattern: /^LnkSta: Speed (\S+)(?: \(\w+\))?, Width x(\d+)/,
      compare: (m, r) => [
        ['Speed', m[1]!, speed(r('Link Status', 'Current_Link_Speed'))],
        ['Width', decimal(m[2]), r('Link Status', 'Negotiated_Link_Width')],
      ],
    },
    {
      pattern: /^SltCap: Slot #(\d+), PowerLimit ([\d.]+)W/,
      compare: (m, r) => [
        ['Slot', decimal(m[1]), r('Slot Capabilities', 'Physical_Slot_Number')],
        [
          'PowerLimit',
          Number(m[2]),
          watts(
            r('Slot Capabilities', 'Slot_Power_Limit_Value'),
            r('Slot Capabilities', 'Slot_Power_Limit_Scale'),
          ),
        ],
      ],
    },
    {
      pattern: /^SltCtl\/Control: AttnInd (\w+), PwrInd (\w+)/,
      compare: (m, r) => [
        ['AttnInd', m[1]!, map(r('Slot Control', 'Attention_Indicator_Control'), (v) => INDICATOR[v]!)],
        ['PwrInd', m[2]!, map(r('Slot Control', 'Power_Indicator_Control'), (v) => INDICATOR[v]!)],
      ],
    },
    {
      pattern: /^RootSta: PME ReqID ([0-9a-f]+)/,
      compare: (m, r) => [['PME ReqID', hex(m[1]), r('Root Status', 'PME_Requester_ID')]],
    },
    {
      pattern: /^DevCap2: Completion Timeout: ([^,]+)/,
      compare: (m, r) => [
        [
          'Completion Timeout',
          m[1]!,
          map(
            r('Device Capabilities 2', 'Completion_Timeout_Ranges_Supported'),
            (v) => RANGES[v] ?? 'Unknown',
          ),
        ],
      ],
    },
    {
      pattern: /^DevCap2: .*OBFF ([^,]+),/,
      compare: (m, r) => [
        [
          'OBFF',
          m[1]!,
          map(
            r('Device Capabilities 2', 'OBFF_Supported'),
            (v) => ['Not Supported', 'Via message', 'Via WAKE#', 'Via message/WAKE#'][v]!,
          ),
        ],
      ],
    },
    {
      pattern: /MaxEETLPPrefixes (\d)/,
      compare: (m, r) => [
        [
          'MaxEETLPPrefixes',
          decimal(m[1]),
          map(r('Device Capabilities 2', 'Max_End_End_TLP_Prefixes'), (v) => v || 4),
        ],
      ],
    },
    {
      pattern: /^DevCap2: .*[^t]TPHComp([+-]) ExtTPHComp([+-])/,
      compare: (m, r) => [
        [
          'TPHComp',
          (m[1] === '+' ? 1 : 0) + (m[2] === '+' ? 2 : 0),
          r('Device Capabilities 2', 'TPH_Completer_Supported'),
        ],
      ],
    },
    {
      pattern: /^DevCtl2: Completion Timeout: ([^,]+)/,
      compare: (m, r) => [
        [
          'Completion Timeout',
          m[1]!,
          map(r('Device Control 2', 'Completion_Timeout_Value'), (v) => TIMEOUTS[v] ?? 'Unknown'),
        ],
      ],
    },
    {
      pattern: /^DevCtl2: .*OBFF ([^,]+),/,
      compare: (m, r) => [
        [
          'OBFF',
          m[1]!,
          map(
            r('Device Control 2', 'OBFF_Enable'),
            (v) => ['Disabled', 'Via message A', 'Via message B', 'Via WAKE#'][v]!,
          ),
        ],
      ],
    },
    {
      pattern: /^LnkCap2: Supported Link Speeds: (\S+),/,
      compare: (m, r) => [
        [
          'Supported Link Speeds',
          m[1]!,
          map(r('Link Capabilities 2', 'Supported_Link_Speeds_Vector'), (v) => {
            const last = SPEEDS[32 - Math.clz32(v)];
            return v === 1 ? '2.5GT/s' : `2.5-${last}`;
          }),
        ],
      ],
    },
    {
      pattern: /^LnkCtl2: Target Link Speed: ([^,]+),/,
      compare: (m, r) => [
        ['Target Link Speed', m[1]!, speed(map(r('Link Control 2', 'Target_Link_Speed'), (v) => v || 1))],
      ],
    },
    {
      pattern: /Selectable De-emphasis: (\S+)/,
      compare: (m, r) => [
        [
          'Selectable De-emphasis',
          m[1]!,
          map(r('Link Control 2', 'Selectable_De_emphasis'), (v) => (v ? '-3.5dB' : '-6dB')),
        ],
      ],
    },
    {
      pattern: /^LnkSta2: Current De-emphasis Level: ([^,]+),/,
      compare: (m, r) => [
        [
          'De-emphasis',
          m[1]!,
          map(r('Link Status 2', 'Current_De_emphasis_Level'), (v) => (v ? '-3.5dB' : '-6dB')),
        ],
      ],
    },
    {
      pattern: /CrosslinkRes: ([^,]+)/,
      compare: (m, r) => [
        [
          'CrosslinkRes',
          m[1]!,
          map(
            r('Link Status 2', 'Crosslink_Resolution'),
            (v) => ['unsupported', 'Upstream Port', 'Downstream Port', 'incomplete'][v]!,
          ),
        ],
      ],
    },
  ],
};
