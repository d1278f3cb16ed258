// Hold model in SystemC: every event schedules its successor. Argument: pending events. Prints events a second.
#include <systemc.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

static std::vector<double> delays;
static uint64_t events = 0;

struct Holder : sc_module {
  unsigned at;
  SC_HAS_PROCESS(Holder);
  Holder(sc_module_name name, unsigned first) : sc_module(name), at(first) { SC_METHOD(hold); }
  void hold() {
    events++;
    next_trigger(sc_time(delays[at++ & 4095], SC_PS));
  }
};

int sc_main(int, char **argv) {
  const int pending = atoi(argv[1]);
  uint32_t word = 12345;
  for (int i = 0; i < 4096; i++) {
    word = word * 1664525u + 1013904223u;
    delays.push_back(1 + (word >> 11));
  }
  sc_set_time_resolution(1, SC_PS);
  for (int i = 0; i < pending; i++) new Holder(sc_gen_unique_name("holder"), i * 7);
  sc_start(4, SC_US);
  events = 0;
  const auto started = std::chrono::steady_clock::now();
  std::chrono::duration<double> taken{};
  do {
    sc_start(4, SC_US);
    taken = std::chrono::steady_clock::now() - started;
  } while (taken.count() < 2);
  printf("%f\n", events / taken.count());
  return 0;
}
