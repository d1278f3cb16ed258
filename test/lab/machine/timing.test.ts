import { describe, expect, it } from 'vitest';
import {
  endpointTiming,
  type LabEndpoint,
  labPlatform,
  mediaTiming,
  parseLab,
} from '../../../src/lab/index.ts';
import { deviceNamed, mediaNamed, platformNamed } from '../../../src/rates/index.ts';

function lab(text: string) {
  return parseLab(`peerlane: lab/1\n${text}`, 'test.yaml');
}

function device(text: string): LabEndpoint {
  const [port] = lab(`below:\n  - ${text}`).hostBridges[0]!.below;
  return (port as unknown as { readonly below: readonly LabEndpoint[] }).below[0]!;
}

describe('the platform of a lab', () => {
  it('follows from the processor', () => {
    const derived = labPlatform(lab('cpu: {vendor: intel, family: 6, model: 79}'));
    expect(derived.platform.name).toBe('intel-xeon-bdw');
    expect(derived.note).toContain('79');
  });

  it('is the one that is named', () => {
    expect(labPlatform(lab('time: amd-zen4')).platform.name).toBe('amd-zen4');
  });

  it('keeps the constants of its preset where the lab says nothing, and takes those that it says', () => {
    const preset = platformNamed('intel-xeon-skl');
    const { platform } = labPlatform(
      lab(`time:
  platform: intel-xeon-skl
  dllp: none
  latency: {switch: 85ns, turn: 200ns}
  iommu: {entries: 128}
  memory: {channels: 2, type: ddr4-3200}
  socket: 7GB/s`),
    );
    expect(platform.latency).toEqual({ ...preset.latency, switchNs: 85 });
    expect(platform.turnNs).toBe(200);
    expect(platform.dllpModel).toBe('none');
    expect(platform.iommu).toEqual({ ...preset.iommu, entries: 128 });
    expect(platform.memory.channelsPerSocket * platform.memory.channelGBs).toBeCloseTo(51.2, 6);
    expect(platform.socket).toMatchObject({ linkGBs: 7, peerGBs: 7 });
    expect(platform.peers).toEqual(preset.peers);
  });
});

describe('a device of a lab', () => {
  it('has the engine of its kind', () => {
    expect(endpointTiming(device('gpu: gpu0\n    link: gen5 x16')).name).toBe('gpu-gen5');
    expect(endpointTiming(device('nvme: nvme0')).name).toBe('ssd');
    expect(endpointTiming(device('nic: nic0')).name).toBe('nic');
  });

  it('takes what the lab says over its preset', () => {
    const timing = endpointTiming(device('nic: nic0\n    timing: {preset: nic-100g, tags: 8, payload: 128}'));
    const preset = deviceNamed('nic-100g');
    expect(timing).toEqual({ ...preset, tags: 8, payloadBytes: 128 });
  });

  it('has the media of the generation of its link', () => {
    const gen4 = mediaNamed('gen4');
    const node = device('nvme: nvme0\n    link: gen4 x4\n    media: {read-latency: 10us}');
    expect(mediaTiming(node as never)).toMatchObject({
      readGBs: gen4.readGBs,
      writeGBs: gen4.writeGBs,
      readLatencyPs: 10e6,
    });
  });
});
