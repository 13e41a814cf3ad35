/* Faults of the disk and of the clock, injected below one node by LD_PRELOAD.
 *
 * The orders stand in a page of shared memory (PAXOSKV_SHIM_PAGE, laid out as in page.py); they hold for files under
 * one directory (PAXOSKV_SHIM_DIRECTORY) and change at any moment. Counters in the page tell what was really done.
 *
 * With PAXOSKV_SHIM_DURABLE set, that directory keeps what a power failure would leave: after every successful sync of
 * a file its content, by inode number, and after every sync of the data directory the names in it. What was written
 * and not synced is not there.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define MAGIC 0x70786b76u
#define TRUE_RATE 1000000
#define NS_PER_S 1000000000LL
#define POLL_NS 1000000

struct page {
    /* orders */
    uint32_t magic;
    _Atomic int32_t sync_errno;
    _Atomic int32_t write_errno;
    _Atomic uint32_t sync_delay_ms;
    _Atomic uint32_t sync_hangs;
    _Atomic uint32_t rate_ppm; /* speed of all clocks, in millionths of the true one */
    _Atomic int64_t wall_offset_ns;
    _Atomic uint64_t kill_at_sync; /* the sync of this number, counted from 1, kills the process and does nothing */
    /* counters */
    _Atomic uint64_t syncs;
    _Atomic uint64_t syncs_slow;
    _Atomic uint64_t syncs_failed;
    _Atomic uint64_t writes_failed;
    _Atomic uint64_t clock_reads;
};

static struct page *page;
static char directory[4096];
static size_t directory_length;
static const char *durable;

#define REAL(name) ((__typeof__(&name))real(#name, &real_##name))
#define REMEMBER(name) static void *real_##name

static void *real(const char *name, void **known) {
    if (!*known)
        *known = dlsym(RTLD_NEXT, name);
    return *known;
}

REMEMBER(fsync);
REMEMBER(fdatasync);
REMEMBER(write);
REMEMBER(pwrite);
REMEMBER(pwrite64);
REMEMBER(writev);
REMEMBER(fallocate);
REMEMBER(posix_fallocate);
REMEMBER(clock_gettime);
REMEMBER(sem_timedwait);
REMEMBER(sem_clockwait);

__attribute__((constructor)) static void begin(void) {
    const char *file = getenv("PAXOSKV_SHIM_PAGE"), *of = getenv("PAXOSKV_SHIM_DIRECTORY");
    if (!file || !of || !realpath(of, directory))
        return;
    directory_length = strlen(directory);
    durable = getenv("PAXOSKV_SHIM_DURABLE");
    int fd = open(file, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    struct page *mapped = mmap(NULL, sizeof *mapped, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (mapped != MAP_FAILED && mapped->magic == MAGIC)
        page = mapped;
}

/* Put the path of an open file into `path`, and say whether it is the directory or lies in it. */
static int concerns(int fd, char *path, size_t size) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, size - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    return strncmp(path, directory, directory_length) == 0 && (path[directory_length] == '/' || !path[directory_length]);
}

static void nap(long ns) {
    struct timespec time = {ns / NS_PER_S, ns % NS_PER_S};
    syscall(SYS_nanosleep, &time, NULL);
}

/* The durable image */

static void write_whole(int fd, const char *data, size_t size) {
    while (size) {
        ssize_t count = REAL(write)(fd, data, size);
        if (count <= 0)
            abort(); /* an image with holes would accuse the node of what we did */
        data += count;
        size -= count;
    }
}

static int open_draft(char *draft, size_t size) {
    snprintf(draft, size, "%s/draft.%ld", durable, (long)syscall(SYS_gettid));
    return open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
}

static void keep_content(int fd, ino_t inode) {
    char draft[4096], image[4096], data[65536];
    int to = open_draft(draft, sizeof draft);
    off_t at = 0;
    ssize_t count;
    while ((count = pread(fd, data, sizeof data, at)) > 0) {
        write_whole(to, data, count);
        at += count;
    }
    close(to);
    snprintf(image, sizeof image, "%s/%lu", durable, (unsigned long)inode);
    rename(draft, image);
}

static void keep_names(void) {
    char draft[4096], image[4096], line[512];
    int to = open_draft(draft, sizeof draft);
    DIR *names = opendir(directory);
    struct dirent *entry;
    while (names && (entry = readdir(names)))
        if (entry->d_type == DT_REG)
            write_whole(to, line, snprintf(line, sizeof line, "%lu %s\n", (unsigned long)entry->d_ino, entry->d_name));
    if (names)
        closedir(names);
    close(to);
    snprintf(image, sizeof image, "%s/names", durable);
    rename(draft, image);
}

/* A file that was opened for writing only cannot be read back through its own descriptor. */
static void keep_file(const char *path, ino_t inode) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        keep_content(fd, inode);
        close(fd);
    }
}

static void keep(int fd, const char *path) {
    struct stat status;
    if (fstat(fd, &status))
        return;
    if (S_ISDIR(status.st_mode))
        keep_names();
    else
        keep_file(path, status.st_ino);
}

/* Disk */

static int sync_file(int fd, int (*sync)(int)) {
    char path[4096];
    if (!page || !concerns(fd, path, sizeof path))
        return sync(fd);
    if (atomic_fetch_add(&page->syncs, 1) + 1 == page->kill_at_sync) {
        kill(getpid(), SIGKILL);
        for (;;)
            nap(NS_PER_S);
    }
    if (page->sync_delay_ms || page->sync_hangs)
        page->syncs_slow++;
    /* in small pieces: a disk that is healed goes on at once */
    for (int64_t waited_ns = 0; waited_ns < page->sync_delay_ms * 1000000LL; waited_ns += POLL_NS)
        nap(POLL_NS);
    while (page->sync_hangs)
        nap(POLL_NS);
    int failure = page->sync_errno;
    if (failure) {
        page->syncs_failed++;
        errno = failure;
        return -1;
    }
    int result = sync(fd);
    if (!result && durable)
        keep(fd, path);
    return result;
}

int fsync(int fd) { return sync_file(fd, REAL(fsync)); }
int fdatasync(int fd) { return sync_file(fd, REAL(fdatasync)); }

/* Return the error that a write to `fd` has to meet, 0 for none. */
static int refusal(int fd) {
    char path[4096];
    int failure = page ? page->write_errno : 0;
    if (!failure || !concerns(fd, path, sizeof path))
        return 0;
    page->writes_failed++;
    return failure;
}

#define REFUSE_OR(call)           \
    do {                          \
        int failure = refusal(fd); \
        if (failure) {            \
            errno = failure;      \
            return -1;            \
        }                         \
        return call;              \
    } while (0)

ssize_t write(int fd, const void *data, size_t size) { REFUSE_OR(REAL(write)(fd, data, size)); }
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) { REFUSE_OR(REAL(pwrite)(fd, data, size, at)); }
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) { REFUSE_OR(REAL(pwrite64)(fd, data, size, at)); }
ssize_t writev(int fd, const struct iovec *parts, int count) { REFUSE_OR(REAL(writev)(fd, parts, count)); }
int fallocate(int fd, int mode, off_t at, off_t size) { REFUSE_OR(REAL(fallocate)(fd, mode, at, size)); }
int posix_fallocate(int fd, off_t at, off_t size) {
    int failure = refusal(fd);
    return failure ? failure : REAL(posix_fallocate)(fd, at, size);
}

/* Clocks. Every clock is ahead of the true one by `drift_ns`, which grows or shrinks while the rate is not true. */

static atomic_flag drifting = ATOMIC_FLAG_INIT;
static int64_t drift_ns, drifted_until_ns;
static uint32_t drift_rate_ppm = TRUE_RATE;

static int64_t true_ns(clockid_t clock) {
    struct timespec now;
    REAL(clock_gettime)(clock, &now);
    return now.tv_sec * NS_PER_S + now.tv_nsec;
}

static int64_t current_drift_ns(void) {
    if (page->rate_ppm == TRUE_RATE && drift_rate_ppm == TRUE_RATE)
        return drift_ns;
    while (atomic_flag_test_and_set(&drifting))
        ;
    uint32_t rate_ppm = page->rate_ppm;
    int64_t now_ns = true_ns(CLOCK_MONOTONIC);
    drift_ns += (now_ns - drifted_until_ns) * ((int64_t)drift_rate_ppm - TRUE_RATE) / TRUE_RATE;
    drifted_until_ns = now_ns;
    drift_rate_ppm = rate_ppm;
    int64_t drift = drift_ns;
    atomic_flag_clear(&drifting);
    return drift;
}

static int is_faked(clockid_t clock) {
    return page && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_MONOTONIC ||
                    clock == CLOCK_MONOTONIC_COARSE || clock == CLOCK_MONOTONIC_RAW || clock == CLOCK_BOOTTIME);
}

static int64_t ahead_ns(clockid_t clock) {
    int is_wall = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;
    return current_drift_ns() + (is_wall ? page->wall_offset_ns : 0);
}

static void from_ns(int64_t ns, struct timespec *time) {
    time->tv_sec = ns / NS_PER_S;
    time->tv_nsec = ns % NS_PER_S;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    if (!is_faked(clock))
        return REAL(clock_gettime)(clock, time);
    page->clock_reads++;
    from_ns(true_ns(clock) + ahead_ns(clock), time);
    return 0;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    (void)zone;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    time->tv_sec = now.tv_sec;
    time->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *result) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (result)
        *result = now.tv_sec;
    return now.tv_sec;
}

/* A deadline that was made from our clock, as the kernel has to be given it. */
static struct timespec true_deadline(clockid_t clock, const struct timespec *deadline) {
    struct timespec result = *deadline;
    if (is_faked(clock)) {
        int64_t now_ns = true_ns(clock);
        int64_t left_ns = deadline->tv_sec * NS_PER_S + deadline->tv_nsec - now_ns - ahead_ns(clock);
        from_ns(now_ns + (left_ns > 0 ? left_ns * TRUE_RATE / page->rate_ppm : 0), &result);
    }
    return result;
}

int sem_clockwait(sem_t *restrict semaphore, clockid_t clock, const struct timespec *restrict deadline) {
    struct timespec when = true_deadline(clock, deadline);
    return REAL(sem_clockwait)(semaphore, clock, &when);
}

int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict deadline) {
    struct timespec when = true_deadline(CLOCK_REALTIME, deadline);
    return REAL(sem_timedwait)(semaphore, &when);
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *time, struct timespec *left) {
    struct timespec when = flags & TIMER_ABSTIME ? true_deadline(clock, time) : *time;
    return syscall(SYS_clock_nanosleep, clock, flags, &when, left) ? errno : 0;
}
