"""Endpoint - switch - endpoint in SimPy: posted writes of 256 B, store-and-forward, credits as containers. Prints packets a second."""
import sys
import time

import simpy

PACKETS = int(sys.argv[1])
SERIALISATION_PS = 35545
CREDITS = 32
env = simpy.Environment()
credits = [simpy.Container(env, CREDITS, init=CREDITS) for _ in range(2)]
buffers = [simpy.Store(env) for _ in range(2)]
arrived = 0


def sender():
    for packet in range(PACKETS):
        yield credits[0].get(1)
        yield env.timeout(SERIALISATION_PS)
        yield buffers[0].put(packet)


def switch():
    while True:
        packet = yield buffers[0].get()
        yield credits[1].get(1)
        yield env.timeout(SERIALISATION_PS)
        yield credits[0].put(1)
        yield buffers[1].put(packet)


def receiver():
    global arrived
    while True:
        yield buffers[1].get()
        yield credits[1].put(1)
        arrived += 1


for process in (sender, switch, receiver):
    env.process(process())
started = time.perf_counter()
env.run()
assert arrived == PACKETS
print(PACKETS / (time.perf_counter() - started))
