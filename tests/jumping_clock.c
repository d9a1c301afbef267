/* A wall clock that is off by the seconds in the file $CLOCK_OFFSET, read anew at each look (LD_PRELOAD).

   libfaketime shifts sleeps too, even those of the monotonic clock, and fails them when the offset goes back; a real
   step of the clock moves no sleep that has begun. So only what is read of the wall clock is shifted here. */

#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long offset(void)
{
    const char *path = getenv("CLOCK_OFFSET");
    char text[32] = "";
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0)
        return 0;
    if (read(file, text, sizeof text - 1) < 0)
        text[0] = '\0';
    close(file);
    return atol(text);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int failed = (int)syscall(SYS_clock_gettime, clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += offset();
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec read_now;
    int failed = clock_gettime(CLOCK_REALTIME, &read_now);
    (void)zone;
    if (!failed) {
        now->tv_sec = read_now.tv_sec;
        now->tv_usec = read_now.tv_nsec / 1000;
    }
    return failed;
}

time_t time(time_t *place)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (place)
        *place = now.tv_sec;
    return now.tv_sec;
}
