/* The upstream of every comparison: answers each request on a keep-alive connection with a fixed body.
 * As little work as can be, so that what is measured is what stands before it.
 *
 *   backend PORT BODY_BYTES      (PORT 0: $PORT; a Unix socket at $TIDEMILL_LISTEN_FD if that is set)
 *
 * Edge-triggered epoll, one thread. A request ends at its empty line; bodies are not expected.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { connections_max = 65536, buffer_bytes = 16384 };

/* Bytes of an unfinished request that were read, by descriptor. */
static unsigned char matched[connections_max];

static void die(const char* what) {
    perror(what);
    exit(1);
}

int main(int argc, char** argv) {
    const char* port_text = argc > 1 ? argv[1] : "0";
    int body_bytes = argc > 2 ? atoi(argv[2]) : 12;
    if (strcmp(port_text, "0") == 0 && getenv("PORT")) port_text = getenv("PORT");
    if (body_bytes < 0 || body_bytes > 1 << 20) {
        fprintf(stderr, "backend: BODY_BYTES is 0 to 1048576\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    char* answer = malloc((size_t)body_bytes + 256);
    int answer_bytes = sprintf(
        answer, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n", body_bytes);
    memset(answer + answer_bytes, 'x', (size_t)body_bytes);
    if (body_bytes > 0) answer[answer_bytes + body_bytes - 1] = '\n';
    answer_bytes += body_bytes;

    int listener;
    if (getenv("TIDEMILL_LISTEN_FD")) {
        listener = atoi(getenv("TIDEMILL_LISTEN_FD"));
    } else {
        listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int on = 1;
        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        struct sockaddr_in at = {.sin_family = AF_INET,
                                 .sin_port = htons((unsigned short)atoi(port_text)),
                                 .sin_addr = {htonl(INADDR_LOOPBACK)}};
        if (bind(listener, (struct sockaddr*)&at, sizeof at) != 0) die("bind");
        if (listen(listener, 4096) != 0) die("listen");
    }
    int loop = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event add = {.events = EPOLLIN, .data.fd = listener};
    if (epoll_ctl(loop, EPOLL_CTL_ADD, listener, &add) != 0) die("epoll_ctl");
    static char buffer[buffer_bytes];
    for (;;) {
        struct epoll_event events[256];
        int count = epoll_wait(loop, events, 256, -1);
        for (int i = 0; i < count; ++i) {
            int fd = events[i].data.fd;
            if (fd == listener) {
                int client = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
                if (client < 0) continue;
                if (client >= connections_max) {
                    close(client);
                    continue;
                }
                int on = 1;
                setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
                matched[client] = 0;
                struct epoll_event watch = {.events = EPOLLIN | EPOLLET, .data.fd = client};
                epoll_ctl(loop, EPOLL_CTL_ADD, client, &watch);
                continue;
            }
            for (;;) {
                ssize_t got = read(fd, buffer, sizeof buffer);
                if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
                    close(fd);
                    break;
                }
                if (got < 0) break;
                static const char end[] = "\r\n\r\n";
                int requests = 0;
                for (ssize_t k = 0; k < got; ++k) {
                    if (buffer[k] == end[matched[fd]]) {
                        if (++matched[fd] == 4) {
                            matched[fd] = 0;
                            ++requests;
                        }
                    } else {
                        matched[fd] = buffer[k] == '\r';
                    }
                }
                for (; requests > 0; --requests) {
                    int sent = 0;
                    while (sent < answer_bytes) {
                        ssize_t put = write(fd, answer + sent, (size_t)(answer_bytes - sent));
                        if (put > 0) {
                            sent += (int)put;
                        } else if (put < 0 && errno == EAGAIN) {
                            usleep(100);
                        } else {
                            break;
                        }
                    }
                }
                if (got < (ssize_t)sizeof buffer) break;
            }
        }
    }
}
