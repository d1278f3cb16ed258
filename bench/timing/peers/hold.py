"""Hold model in SimPy: every event schedules its successor. Arguments: pending events. Prints events a second."""
import sys
import time

import simpy

pending = int(sys.argv[1])
seconds = 2.0
word = 12345
delays = []
for _ in range(4096):
    word = (word * 1664525 + 1013904223) & 0xFFFFFFFF
    delays.append(1 + (word >> 11))
env = simpy.Environment()
events = 0


def holder(at):
    global events
    timeout = env.timeout
    while True:
        yield timeout(delays[at & 4095])
        at += 1
        events += 1


for i in range(pending):
    env.process(holder(i * 7))
# The first steps start the processes.
for _ in range(2 * pending):
    env.step()
events = 0
started = time.perf_counter()
while time.perf_counter() - started < seconds:
    for _ in range(10000):
        env.step()
print(events / (time.perf_counter() - started))
