// Counts its visitors: a native program that opens its own port, one thread per connection.

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

namespace {

std::atomic<int> visitors = 0;

// Answers every request head on the connection; requests with bodies are not what this program is
// for.
void serve(int connection) {
    std::string received;
    char buffer[4096];
    for (;;) {
        ssize_t bytes = recv(connection, buffer, sizeof buffer, 0);
        if (bytes <= 0)
            break;
        received.append(buffer, static_cast<size_t>(bytes));
        if (received.size() > 64 * 1024)
            break;
        for (size_t end; (end = received.find("\r\n\r\n")) != std::string::npos;) {
            received.erase(0, end + 4);
            std::string body = "You are visitor " + std::to_string(++visitors) + "\n";
            std::string answer =
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: " +
                std::to_string(body.size()) + "\r\n\r\n" + body;
            if (send(connection, answer.data(), answer.size(), MSG_NOSIGNAL) < 0)
                break;
        }
    }
    close(connection);
}

}  // namespace

int main() {
    const char* port = std::getenv("PORT");
    if (port == nullptr) {
        std::fputs("PORT is not set\n", stderr);
        return 1;
    }
    std::signal(SIGTERM, [](int) { _exit(0); });
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(std::atoi(port)));
    if (bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
        listen(listener, 128) != 0) {
        std::perror("listen");
        return 1;
    }
    for (;;) {
        int connection = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
        if (connection >= 0)
            std::thread(serve, connection).detach();
    }
}
