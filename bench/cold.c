/* Times from nothing to the first byte of an answer.
 *
 *   cold request HOST:PORT HOST_HEADER PATH   one request on a new connection
 *   cold bare PROGRAM [ARG...]                PROGRAM started with a listening socket as descriptor 3
 *                                             (TIDEMILL_LISTEN_FD=3), asked at once; killed afterwards
 *
 * Both count from just before the first system call that a caller would make (connect, fork) to the first
 * byte read. Prints microseconds and the status code.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int64_t now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int ask(int fd, const char* host, const char* path, int64_t began) {
    char text[4096];
    const int size = snprintf(text, sizeof text,
                              "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", path, host);
    if (write(fd, text, (size_t)size) != size) return 1;
    struct timeval limit = {60, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    const ssize_t got = read(fd, text, sizeof text - 1);
    const int64_t took = now_us() - began;
    if (got < 12) return 1;
    text[got] = 0;
    printf("%lld %d\n", (long long)took, atoi(text + 9));
    return 0;
}

int main(int argc, char** argv) {
    signal(SIGPIPE, SIG_IGN);
    if (argc == 5 && strcmp(argv[1], "request") == 0) {
        char* colon = strrchr(argv[2], ':');
        if (!colon) return 2;
        *colon = 0;
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(colon + 1))};
        if (inet_pton(AF_INET, argv[2], &to.sin_addr) != 1) return 2;
        const int64_t began = now_us();
        const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(fd, (struct sockaddr*)&to, sizeof to) != 0) return 1;
        return ask(fd, argv[3], argv[4], began);
    }
    if (argc >= 3 && strcmp(argv[1], "bare") == 0) {
        struct sockaddr_un at = {.sun_family = AF_UNIX};
        snprintf(at.sun_path + 1, sizeof at.sun_path - 1, "tidemill-cold-%d", (int)getpid());
        const socklen_t at_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(at.sun_path + 1));
        setenv("TIDEMILL_LISTEN_FD", "3", 1);
        const int64_t began = now_us();
        const int listener = socket(AF_UNIX, SOCK_STREAM, 0);
        if (bind(listener, (struct sockaddr*)&at, at_size) != 0 || listen(listener, 128) != 0) return 1;
        const pid_t child = fork();
        if (child == 0) {
            if (listener != 3) {
                dup2(listener, 3);
                close(listener);
            }
            execv(argv[2], argv + 2);
            _exit(127);
        }
        const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        close(listener);
        int failed = connect(fd, (struct sockaddr*)&at, at_size) != 0 || ask(fd, "bare", "/", began);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        return failed;
    }
    fprintf(stderr, "usage: cold request HOST:PORT HOST_HEADER PATH | cold bare PROGRAM [ARG...]\n");
    return 2;
}
