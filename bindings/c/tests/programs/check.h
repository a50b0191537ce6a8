/* What the test programs share: checks that name what failed, and a planted directory. */
#ifndef CHECK_H
#define CHECK_H

#include <fustor.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHECK(condition)                                                                           \
  do {                                                                                             \
    if (!(condition)) {                                                                            \
      fprintf(stderr, "%s:%d: %s (%s)\n", __FILE__, __LINE__, #condition, fustor_last_error());    \
      exit(1);                                                                                     \
    }                                                                                              \
  } while (0)

#define OK(call) CHECK((call) == FUSTOR_STATUS_OK)

/* A text as bytes with a length, as two arguments. */
#define TEXT(text) (const uint8_t *)(text), strlen(text)

static inline void write_file(const char *dir, const char *name, size_t size) {
  char path[4096];
  int len = snprintf(path, sizeof path, "%s/%s", dir, name);
  CHECK(len > 0 && (size_t)len < sizeof path);
  FILE *file = fopen(path, "wb");
  CHECK(file != NULL);
  for (size_t n = 0; n < size; n++) CHECK(fputc('x', file) == 'x');
  CHECK(fclose(file) == 0);
}

static inline void make_dir(const char *dir, const char *name) {
  char path[4096];
  int len = snprintf(path, sizeof path, "%s/%s", dir, name);
  CHECK(len > 0 && (size_t)len < sizeof path);
  CHECK(mkdir(path, 0755) == 0);
}

/* A directory of its own below the directory that the first argument names. */
static inline const char *plant(const char *below, char *root, size_t len) {
  int written = snprintf(root, len, "%s/tree-XXXXXX", below);
  CHECK(written > 0 && (size_t)written < len);
  CHECK(mkdtemp(root) != NULL);
  make_dir(root, "a");
  make_dir(root, "a/b");
  for (int n = 0; n < 700; n++) {
    char name[32];
    CHECK(snprintf(name, sizeof name, "a/f%03d.csv", n) == 10);
    write_file(root, name, (size_t)n);
  }
  write_file(root, "top.txt", 5);
  write_file(root, "odd \xff", 0);
  return root;
}

#endif
