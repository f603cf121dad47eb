/* Preloaded into a process: one write or sync of the store fails, or all from it on. The file that
   DISK_FAULT_FILE names has the words ID NUMBER KIND. The call NUMBER (from 1) of those to files whose
   path contains "disk.db", since ID was first seen, fails as KIND says: `io` (EIO), `full` (ENOSPC),
   `torn` (half of it is written, then EIO) or `dead` (EIO, and so do all later calls). The file with the
   ending `.hit` says that it did. Without the first file nothing fails. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

enum kind { NONE, IO, FULL, TORN };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long seen, calls;

static int is_of_store(int file) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return strstr(path, "disk.db") != NULL;
}

static enum kind fault(int file) {
    const char *path = getenv("DISK_FAULT_FILE");
    char text[64] = {0}, name[16] = {0}, hit[PATH_MAX];
    long id, number;
    int control = path && is_of_store(file) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (control < 0) return NONE;
    ssize_t length = read(control, text, sizeof text - 1);
    close(control);
    if (length <= 0 || sscanf(text, "%ld %ld %15s", &id, &number, name) != 3) return NONE;
    pthread_mutex_lock(&lock);
    if (seen != id) {
        seen = id;
        calls = 0;
    }
    long call = ++calls;
    pthread_mutex_unlock(&lock);
    int is_dead = strcmp(name, "dead") == 0;
    if (is_dead ? call < number : call != number) return NONE;
    snprintf(hit, sizeof hit, "%s.hit", path);
    int mark = open(hit, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (mark >= 0) close(mark);
    return strcmp(name, "full") == 0 ? FULL : strcmp(name, "torn") == 0 ? TORN : IO;
}

static int fail(enum kind kind) {
    errno = kind == FULL ? ENOSPC : EIO;
    return -1;
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t offset) {
    static ssize_t (*next)(int, const void *, size_t, off64_t);
    if (!next) next = dlsym(RTLD_NEXT, __func__);
    enum kind kind = fault(file);
    if (kind == TORN) next(file, bytes, count / 2, offset);
    return kind == NONE ? next(file, bytes, count, offset) : fail(kind);
}

ssize_t pwrite(int file, const void *bytes, size_t count, off_t offset) {
    return pwrite64(file, bytes, count, offset);
}

int ftruncate64(int file, off64_t length) {
    static int (*next)(int, off64_t);
    if (!next) next = dlsym(RTLD_NEXT, __func__);
    enum kind kind = fault(file);
    return kind == NONE ? next(file, length) : fail(kind);
}

int ftruncate(int file, off_t length) {
    return ftruncate64(file, length);
}

int fdatasync(int file) {
    static int (*next)(int);
    if (!next) next = dlsym(RTLD_NEXT, __func__);
    enum kind kind = fault(file);
    return kind == NONE ? next(file) : fail(kind);
}

int fsync(int file) {
    static int (*next)(int);
    if (!next) next = dlsym(RTLD_NEXT, __func__);
    enum kind kind = fault(file);
    return kind == NONE ? next(file) : fail(kind);
}
