/* An open-loop load generator: requests are due at fixed times whether or not the server keeps up, and
 * latency counts from the time a request was due, so that a stall is not hidden by the client waiting.
 *
 *   load HOST:PORT HOST_HEADER PATH CONNECTIONS RATE_PER_S SECONDS
 *
 * Prints one JSON object: requests, errors (connect, read, status), and latency quantiles in microseconds.
 * Each connection carries one request at a time; a request that is due while all are busy waits, and that
 * wait counts. One thread, IPv4, keep-alive; answers need a Content-Length.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { connections_max = 4096, answer_max = 1 << 20 };

struct connection {
    int fd;
    int busy;
    int64_t due_ns;
    size_t held;
    char* bytes;
};

static struct sockaddr_in server;
static struct connection connections[connections_max];
static uint64_t errors_connect, errors_read, errors_status;

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int compare(const void* a, const void* b) {
    const uint32_t x = *(const uint32_t*)a, y = *(const uint32_t*)b;
    return (x > y) - (x < y);
}

static void open_connection(int loop, int index) {
    struct connection* c = &connections[index];
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(c->fd, (struct sockaddr*)&server, sizeof server) != 0) {
        ++errors_connect;
        close(c->fd);
        c->fd = -1;
        return;
    }
    int on = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct timeval none = {0, 0};
    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &none, sizeof none);
    struct epoll_event watch = {.events = EPOLLIN, .data.u32 = (uint32_t)index};
    epoll_ctl(loop, EPOLL_CTL_ADD, c->fd, &watch);
    c->held = 0;
    c->busy = 0;
}

/* The length of a whole answer at the front of bytes, 0 if it is not whole, -1 if it is none. */
static long whole_answer(const char* bytes, size_t size, int* status) {
    const char* end = memmem(bytes, size, "\r\n\r\n", 4);
    if (!end) return 0;
    if (size < 12 || memcmp(bytes, "HTTP/1.1 ", 9) != 0) return -1;
    *status = atoi(bytes + 9);
    long length = -1;
    for (const char* line = bytes; line < end;) {
        const char* next = memmem(line, (size_t)(end + 2 - line), "\r\n", 2);
        if (strncasecmp(line, "content-length:", 15) == 0) length = atol(line + 15);
        line = next + 2;
    }
    if (length < 0) return -1;
    const long whole = (long)(end + 4 - bytes) + length;
    return (size_t)whole <= size ? whole : 0;
}

int main(int argc, char** argv) {
    if (argc != 7) {
        fprintf(stderr, "usage: load HOST:PORT HOST_HEADER PATH CONNECTIONS RATE_PER_S SECONDS\n");
        return 2;
    }
    char host[64];
    snprintf(host, sizeof host, "%s", argv[1]);
    char* colon = strrchr(host, ':');
    if (!colon) return 2;
    *colon = 0;
    server.sin_family = AF_INET;
    server.sin_port = htons((unsigned short)atoi(colon + 1));
    if (inet_pton(AF_INET, host, &server.sin_addr) != 1) return 2;
    const int count = atoi(argv[4]);
    const double rate = atof(argv[5]);
    const double seconds = atof(argv[6]);
    if (count < 1 || count > connections_max || rate <= 0 || rate * seconds > 50e6) return 2;
    signal(SIGPIPE, SIG_IGN);
    char request[2048];
    const int request_bytes = snprintf(request, sizeof request,
                                       "GET %s HTTP/1.1\r\nHost: %s\r\nAccept: */*\r\nUser-Agent: load\r\n\r\n",
                                       argv[3], argv[2]);
    const uint64_t total = (uint64_t)(rate * seconds);
    uint32_t* latency_us = malloc(sizeof(uint32_t) * (total + 1));
    uint64_t sent = 0, answered = 0;
    int loop = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < count; ++i) {
        connections[i].bytes = malloc(answer_max);
        open_connection(loop, i);
    }
    const int64_t begin = now_ns() + 1000000;
    const int64_t give_up = begin + (int64_t)((seconds + 10) * 1e9);
    int cursor = 0;
    while (answered + errors_read + errors_status < total && now_ns() < give_up) {
        int64_t now = now_ns();
        int free_connection = 1;
        while (sent < total && free_connection) {
            const int64_t due = begin + (int64_t)((double)sent * 1e9 / rate);
            if (due > now) break;
            free_connection = 0;
            for (int k = 0; k < count; ++k) {
                const int index = (cursor + k) % count;
                struct connection* c = &connections[index];
                if (c->fd < 0) open_connection(loop, index);
                if (c->fd >= 0 && !c->busy) {
                    c->busy = 1;
                    c->due_ns = due;
                    if (write(c->fd, request, (size_t)request_bytes) != request_bytes) {
                        ++errors_read;
                        close(c->fd);
                        c->fd = -1;
                    }
                    ++sent;
                    cursor = index + 1;
                    free_connection = 1;
                    break;
                }
            }
        }
        const int64_t next_due = begin + (int64_t)((double)sent * 1e9 / rate);
        struct timespec wait = {1, 0};
        if (sent < total && free_connection) {
            const int64_t left = next_due - now_ns();
            wait.tv_sec = left > 0 ? left / 1000000000 : 0;
            wait.tv_nsec = left > 0 ? left % 1000000000 : 0;
        }
        struct epoll_event events[256];
        const int ready = epoll_pwait2(loop, events, 256, &wait, NULL);
        now = now_ns();
        for (int i = 0; i < ready; ++i) {
            struct connection* c = &connections[events[i].data.u32];
            if (c->fd < 0) continue;
            const ssize_t got = recv(c->fd, c->bytes + c->held, answer_max - c->held, MSG_DONTWAIT);
            if (got <= 0) {
                if (got < 0 && errno == EAGAIN) continue;
                if (c->busy) ++errors_read;
                close(c->fd);
                c->fd = -1;
                continue;
            }
            c->held += (size_t)got;
            int status = 0;
            const long whole = whole_answer(c->bytes, c->held, &status);
            if (whole == 0) continue;
            if (whole < 0 || status != 200) {
                ++errors_status;
                if (whole < 0) {
                    close(c->fd);
                    c->fd = -1;
                    continue;
                }
            } else {
                const int64_t us = (now - c->due_ns) / 1000;
                latency_us[answered++] = us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
            }
            c->held = 0;
            c->busy = 0;
        }
    }
    qsort(latency_us, answered, sizeof(uint32_t), compare);
    const double quantiles[] = {0.5, 0.9, 0.99, 0.999};
    const char* names[] = {"p50", "p90", "p99", "p999"};
    printf("{\"requests\": %llu, \"sent\": %llu, \"errors_connect\": %llu, \"errors_read\": %llu, \"errors_status\": %llu",
           (unsigned long long)answered, (unsigned long long)sent, (unsigned long long)errors_connect,
           (unsigned long long)errors_read, (unsigned long long)errors_status);
    for (int i = 0; i < 4; ++i) {
        const uint64_t at = answered == 0 ? 0 : (uint64_t)((double)(answered - 1) * quantiles[i]);
        printf(", \"%s_us\": %u", names[i], answered == 0 ? 0 : latency_us[at]);
    }
    printf("}\n");
    return answered == total ? 0 : 1;
}
