/*
 * The peer of the copy benchmark: copies a range between two devices in the plainest way C has for it.
 *
 *   copy MODE SOURCE DESTINATION MEMORY BYTES CHUNK DEPTH ROUNDS
 *
 * MODE is `aio` (io_submit and io_getevents, the calls that peerlane makes) or `threads` (DEPTH threads with pread and
 * pwrite). MEMORY is a p2pmem/allocate file, or `-` for host memory. Prints the nanoseconds of each round, one a line: from
 * the first request to the last completion, as peerlane counts.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int source, destination, depth;
static uint64_t total, chunk;
static char *memory;
static atomic_uint_fast64_t next_offset;

static void fail(const char *what) {
  fprintf(stderr, "copy: %s: %s\n", what, strerror(errno));
  exit(1);
}

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t length_at(uint64_t offset) { return total - offset < chunk ? total - offset : chunk; }

static void *thread_main(void *argument) {
  char *buffer = memory + (uintptr_t)argument * chunk;
  for (;;) {
    uint64_t offset = atomic_fetch_add(&next_offset, chunk);
    if (offset >= total) return NULL;
    uint64_t length = length_at(offset);
    if (pread(source, buffer, length, (off_t)offset) != (ssize_t)length) fail("pread");
    if (pwrite(destination, buffer, length, (off_t)offset) != (ssize_t)length) fail("pwrite");
  }
}

static void copy_with_threads(void) {
  pthread_t threads[depth];
  for (int i = 0; i < depth; i++)
    if (pthread_create(&threads[i], NULL, thread_main, (void *)(uintptr_t)i)) fail("pthread_create");
  for (int i = 0; i < depth; i++) pthread_join(threads[i], NULL);
}

static aio_context_t context;

static void submit(struct iocb *block, int slot, int opcode, uint64_t offset) {
  memset(block, 0, sizeof *block);
  block->aio_data = (uint64_t)slot;
  block->aio_lio_opcode = (uint16_t)opcode;
  block->aio_fildes = (uint32_t)(opcode == IOCB_CMD_PREAD ? source : destination);
  block->aio_buf = (uint64_t)(uintptr_t)(memory + (uint64_t)slot * chunk);
  block->aio_nbytes = length_at(offset);
  block->aio_offset = (int64_t)offset;
  if (syscall(SYS_io_submit, context, 1L, &block) != 1) fail("io_submit");
}

static void copy_with_aio(void) {
  struct iocb blocks[depth];
  struct io_event events[depth];
  int active = 0;
  for (int slot = 0; slot < depth && next_offset < total; slot++, active++) {
    submit(&blocks[slot], slot, IOCB_CMD_PREAD, next_offset);
    next_offset += chunk;
  }
  while (active > 0) {
    long count = syscall(SYS_io_getevents, context, 1L, (long)depth, events, NULL);
    if (count < 0) fail("io_getevents");
    for (long i = 0; i < count; i++) {
      int slot = (int)events[i].data;
      uint64_t offset = (uint64_t)blocks[slot].aio_offset;
      if (events[i].res != (int64_t)length_at(offset)) {
        errno = events[i].res < 0 ? (int)-events[i].res : EIO;
        fail("request");
      }
      if (blocks[slot].aio_lio_opcode == IOCB_CMD_PREAD) {
        submit(&blocks[slot], slot, IOCB_CMD_PWRITE, offset);
      } else if (next_offset < total) {
        submit(&blocks[slot], slot, IOCB_CMD_PREAD, next_offset);
        next_offset += chunk;
      } else {
        active--;
      }
    }
  }
}

int main(int argc, char **argv) {
  if (argc != 9) {
    fprintf(stderr, "usage: copy aio|threads SOURCE DESTINATION MEMORY|- BYTES CHUNK DEPTH ROUNDS\n");
    return 2;
  }
  int with_aio = strcmp(argv[1], "aio") == 0;
  total = strtoull(argv[5], NULL, 10);
  chunk = strtoull(argv[6], NULL, 10);
  depth = atoi(argv[7]);
  if ((source = open(argv[2], O_RDONLY | O_DIRECT)) < 0) fail(argv[2]);
  if ((destination = open(argv[3], O_RDWR | O_DIRECT)) < 0) fail(argv[3]);
  int file = -1, flags = MAP_PRIVATE | MAP_ANONYMOUS;
  if (strcmp(argv[4], "-") != 0) {
    if ((file = open(argv[4], O_RDWR)) < 0) fail(argv[4]);
    flags = MAP_SHARED;
  }
  memory = mmap(NULL, chunk * (uint64_t)depth, PROT_READ | PROT_WRITE, flags, file, 0);
  if (memory == MAP_FAILED) fail("mmap");
  if (with_aio && syscall(SYS_io_setup, (long)depth, &context) != 0) fail("io_setup");
  for (int round = 0; round < atoi(argv[8]); round++) {
    next_offset = 0;
    uint64_t start = now_ns();
    if (with_aio) copy_with_aio(); else copy_with_threads();
    printf("%llu\n", (unsigned long long)(now_ns() - start));
  }
  return 0;
}
