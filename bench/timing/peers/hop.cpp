// Endpoint - switch - endpoint in SystemC: posted writes of 256 B, store-and-forward; the room of a fifo is the credits of its
// link. Argument: packets. Prints packets a second.
#include <systemc.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>

static const double serialisation_ps = 35545;
static int packets;
static int arrived = 0;

struct Hop : sc_module {
  sc_fifo<int> up{32}, down{32};
  const sc_time serialisation{serialisation_ps, SC_PS};
  SC_CTOR(Hop) {
    SC_THREAD(send);
    SC_THREAD(forward);
    SC_THREAD(receive);
  }
  void send() {
    for (int i = 0; i < packets; i++) {
      wait(serialisation);
      up.write(i);
    }
  }
  void forward() {
    for (;;) {
      const int packet = up.read();
      wait(serialisation);
      down.write(packet);
    }
  }
  void receive() {
    for (;;) {
      down.read();
      arrived++;
    }
  }
};

int sc_main(int, char **argv) {
  packets = atoi(argv[1]);
  Hop hop("hop");
  const auto started = std::chrono::steady_clock::now();
  sc_start();
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - started;
  if (arrived != packets) return 1;
  printf("%f\n", packets / taken.count());
  return 0;
}
