// What one echoed message costs the server's thread in CPU: EpollLoop with a coroutine per
// connection against the least that epoll allows (read, write, epoll_wait; no timers, no dispatch).
// Usage: loop_bench [messages]. Alternates the two, prints user + system time per message.
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "host_linux/linux_host.h"
#include "host_linux/network/socket_address.h"

namespace {

using namespace tidemill;
using host_linux::EpollLoop;

constexpr std::size_t message_bytes = 128;

double thread_cpu_us() {
    rusage usage{};
    ::getrusage(RUSAGE_THREAD, &usage);
    const auto us = [](const timeval& at) {
        return static_cast<double>(at.tv_sec) * 1e6 + static_cast<double>(at.tv_usec);
    };
    return us(usage.ru_utime) + us(usage.ru_stime);
}

// One message in flight; ends by closing.
void play_client(const host_linux::SocketAddress& server, int messages) {
    const int fd = ::socket(server.family(), SOCK_STREAM, 0);
    if (::connect(fd, server.get(), server.size) != 0) {
        std::abort();
    }
    char buffer[message_bytes] = {};
    for (int i = 0; i < messages; ++i) {
        if (::send(fd, buffer, sizeof buffer, 0) != sizeof buffer ||
            ::recv(fd, buffer, sizeof buffer, MSG_WAITALL) != sizeof buffer) {
            std::abort();
        }
    }
    ::close(fd);
}

async::Task<void> echo(EpollLoop& loop, std::unique_ptr<host::Stream> stream) {
    char buffer[4096];
    for (;;) {
        stream->set_read_deadline(loop.now() + std::chrono::seconds(10));
        const auto got = stream->try_read(buffer, sizeof buffer);
        if (got.kind == host::IoResult::Kind::blocked) {
            co_await stream->readable();
        } else if (!got.ok() || !stream->try_write({buffer, got.bytes}).ok()) {
            co_return;
        }
    }
}

async::Task<void> serve_one(EpollLoop& loop, host::Listener& listener) {
    auto stream = co_await listener.accept();
    co_await echo(loop, *std::move(stream));
}

double measure_loop(host_linux::LinuxHost& linux, const host::Address& at, int messages) {
    auto listener = *linux.host().network.listen(at, {});
    const auto address = *host_linux::to_socket_address(listener->local());
    std::thread client([&] { play_client(address, messages); });
    const double before = thread_cpu_us();
    linux.loop().run(serve_one(linux.loop(), *listener));
    const double cost = (thread_cpu_us() - before) / messages;
    client.join();
    return cost;
}

double measure_raw(const host::Address& at, int messages) {
    const host_linux::UniqueFd listener = *host_linux::open_listening_socket(at, {});
    const auto address = *host_linux::to_socket_address(*host_linux::local_address(listener.get()));
    std::thread client([&] { play_client(address, messages); });
    int fd = -1;
    while ((fd = ::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK)) < 0) {
    }
    const int epoll = ::epoll_create1(0);
    epoll_event event{};
    event.events = EPOLLIN | EPOLLRDHUP | EPOLLET;
    ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    const double before = thread_cpu_us();
    char buffer[4096];
    for (;;) {
        ::epoll_wait(epoll, &event, 1, -1);
        const auto got = ::recv(fd, buffer, sizeof buffer, 0);
        if (got == 0) {
            break;
        }
        if (got > 0) {
            ::send(fd, buffer, static_cast<std::size_t>(got), MSG_NOSIGNAL);
        }
    }
    const double cost = (thread_cpu_us() - before) / messages;
    ::close(fd);
    ::close(epoll);
    client.join();
    return cost;
}

double median(std::vector<double> values) {
    std::ranges::sort(values);
    return values[values.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
    const int messages = argc > 1 ? std::atoi(argv[1]) : 100'000;
    host_linux::InheritedListeners inherited;
    const auto linux = *host_linux::LinuxHost::create(inherited);
    const std::string path = "/tmp/loop_bench." + std::to_string(::getpid());
    for (const host::Address& at :
         {host::Address(host::IpAddress::loopback(0)), host::Address(host::UnixAddress{path})}) {
        std::vector<double> ours;
        std::vector<double> raw;
        for (int round = 0; round < 5; ++round) {
            raw.push_back(measure_raw(at, messages));
            ours.push_back(measure_loop(*linux, at, messages));
        }
        std::printf("%s: raw epoll %.2f us, EpollLoop %.2f us CPU per message\n",
                    std::holds_alternative<host::UnixAddress>(at) ? "unix" : "tcp", median(raw),
                    median(ours));
    }
    ::unlink(path.c_str());
}
