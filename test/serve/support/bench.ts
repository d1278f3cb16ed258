/** Two endpoints below one switch of a fabric whose host is a guest, and a server for them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EventQueue, Memory, noTurn, TRAFFIC } from '../../../src/fabric/index.ts';
import { Fabric, type FabricFunction } from '../../../src/fabric/tree/index.ts';
import { SharedMemory } from '../../../src/host/index.ts';
import {
  GuestMemory,
  type GuestMemoryOptions,
  RemoteDma,
  type ServeListener,
  type SharedBar,
  VfioUserServer,
} from '../../../src/serve/index.ts';
import { boot, hostBridge, port, TestEndpoint, write16 } from '../../fabric/tree/machine.ts';
import { TestClient } from './client.ts';

export const GUEST_BYTES = 16 << 20;

export interface BenchOptions extends GuestMemoryOptions {
  readonly listener?: ServeListener;
  readonly shared?: (index: number) => readonly SharedBar[];
  /** Called by each device after its reset. */
  readonly change?: ConstructorParameters<typeof TestEndpoint>[1];
}

export interface BenchDevice {
  readonly name: string;
  readonly socketPath: string;
  readonly model: TestEndpoint;
  readonly fn: FabricFunction;
  readonly bars: readonly SharedBar[];
  configWrites: number;
  resets: number;
  onConfigWrite(): void;
  onReset(): void;
}

export class ServeBench {
  readonly directory = mkdtempSync(join(tmpdir(), 'peerlane-serve-'));
  readonly queue = new EventQueue({ turn: noTurn });
  readonly memory: GuestMemory;
  readonly remote = new RemoteDma();
  readonly fabric: Fabric;
  readonly devices: readonly BenchDevice[];
  readonly server: VfioUserServer;
  /** What the guest's memory is; made when first used. */
  #guest: SharedMemory | null = null;
  readonly #clients: TestClient[] = [];
  nowPs = 0;

  constructor(options: BenchOptions = {}) {
    this.memory = new GuestMemory(options);
    this.fabric = new Fabric({ queue: this.queue, dram: this.memory, remote: this.remote });
    const bridge = hostBridge(this.fabric);
    const root = bridge.rootBus.addRootPort(1, 0, port('root-port'));
    const ports = root.secondaryBus!.addSwitch(port('switch-upstream'), [
      port('switch-downstream'),
      port('switch-downstream'),
    ]);
    const models = [0, 1].map((index) => new TestEndpoint(`dev${index}`, options.change));
    const functions = models.map((model, index) => ports.downstream[index]!.secondaryBus!.plug(model)[0]!);
    // Peers below a switch go direct.
    for (const fn of this.fabric.functions()) {
      if (fn.config.offsets.acs !== 0) {
        write16(fn, fn.config.offsets.acs + 6, 0);
      }
    }
    boot(this.fabric);
    this.devices = models.map((model, index) => {
      const fn = functions[index]!;
      const device: BenchDevice = {
        name: model.name,
        socketPath: join(this.directory, `${model.name}.sock`),
        model,
        fn,
        bars: options.shared?.(index) ?? [],
        configWrites: 0,
        resets: 0,
        onConfigWrite: () => {
          device.configWrites++;
        },
        onReset: () => {
          device.resets++;
          // Registers as at power on, less where its BARs are and that they are decoded.
          const addresses = fn.config.bytes.slice(0x10, 0x28);
          this.fabric.resetFunction(fn, 'power');
          fn.config.bytes.set(addresses, 0x10);
          fn.config.write(4, 2, 6);
        },
      };
      return device;
    });
    this.server = new VfioUserServer({
      devices: this.devices,
      queue: this.queue,
      memory: this.memory,
      remote: this.remote,
      log: options.listener ?? null,
      nowPs: () => this.nowPs,
    });
    this.server.open();
  }

  get guest(): SharedMemory {
    this.#guest ??= new SharedMemory('guest', GUEST_BYTES);
    return this.#guest;
  }

  /** A turn of the server. */
  readonly turn = (): void => {
    this.server.step(0);
  };

  /** Turns until nothing comes any more. */
  settle(): void {
    for (let quiet = 0; quiet < 4; quiet++) {
      this.turn();
      for (const client of this.#clients) {
        if (!client.isEnded && client.pump()) {
          quiet = 0;
        }
      }
    }
  }

  connect(index = 0): TestClient {
    const client = new TestClient(this.devices[index]!.socketPath, this.turn);
    this.#clients.push(client);
    return client;
  }

  /** A client that has agreed on a version and has mapped the guest's memory from address 0. */
  guestClient(index = 0): TestClient {
    const client = this.connect(index);
    client.version();
    client.map(0, GUEST_BYTES, 0, this.guest.fd);
    return client;
  }

  /** DMA of a device at its own request. */
  dmaWrite(index: number, addr: number, bytes: Uint8Array, token = 1): number {
    const { model } = this.devices[index]!;
    return model.port.dmaWrite(addr, Memory.over(bytes), 0, bytes.length, TRAFFIC.DATA, token);
  }

  dmaRead(index: number, addr: number, into: Uint8Array, token = 2): number {
    const { model } = this.devices[index]!;
    return model.port.dmaRead(addr, Memory.over(into), 0, into.length, TRAFFIC.DATA, token);
  }

  close(): void {
    for (const client of this.#clients) {
      if (!client.isEnded) {
        client.isEnded = true;
        client.close();
      }
    }
    this.server.close();
    this.#guest?.close();
    rmSync(this.directory, { recursive: true });
  }
}
