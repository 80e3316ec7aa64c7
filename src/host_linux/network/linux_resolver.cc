#include "host_linux/network/linux_resolver.h"

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include "async/deadline.h"
#include "async/event.h"
#include "base/text.h"
#include "host_linux/network/socket_address.h"
#include "host_linux/system_error.h"

namespace tidemill::host_linux {
namespace {

using base::Code;
using base::fail;
using host::IpAddress;
using Addresses = std::vector<IpAddress>;

constexpr std::size_t name_bytes_max = 253;  // RFC 1035 section 3.1, without the last dot

bool is_localhost(std::string_view name) {
    const std::string text =
        base::lower(name.ends_with('.') ? name.substr(0, name.size() - 1) : name);
    return text == "localhost" || text.ends_with(".localhost");
}

Addresses loopback() {
    IpAddress v6;
    v6.family = IpAddress::Family::v6;
    v6.bytes[15] = 1;
    return {IpAddress::loopback(0), v6};
}

base::Result<Addresses> ask(const std::string& name) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_ADDRCONFIG;
    addrinfo* list = nullptr;
    const int outcome = ::getaddrinfo(name.c_str(), nullptr, &hints, &list);
    const int error = errno;
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(
        list, [](addrinfo* all) { all != nullptr ? ::freeaddrinfo(all) : void(); });
    if (outcome == EAI_NONAME || outcome == EAI_NODATA) {
        return fail(Code::not_found, "{}: no such name", name);
    }
    if (outcome == EAI_SYSTEM) {
        return fail(Code::unavailable, "{}: {}", name, text_of(error));
    }
    if (outcome != 0) {
        return fail(Code::unavailable, "{}: {}", name, ::gai_strerror(outcome));
    }
    Addresses found;
    for (const addrinfo* one = list; one != nullptr; one = one->ai_next) {
        SocketAddress address;
        address.size = std::min<socklen_t>(one->ai_addrlen, sizeof address.storage);
        std::memcpy(&address.storage, one->ai_addr, address.size);
        if (const auto parsed = from_socket_address(address)) {
            if (const auto* ip = std::get_if<IpAddress>(&*parsed);
                ip != nullptr && std::ranges::find(found, *ip) == found.end()) {
                found.push_back(*ip);
            }
        }
    }
    if (found.empty()) {
        return fail(Code::not_found, "{}: has no IP address", name);
    }
    return found;
}

// Shared by the asker, who may leave, and the thread, which may be late.
struct Question {
    Question(async::Loop& loop, std::string asked) : name(std::move(asked)), answered(loop) {}
    std::string name;
    std::optional<base::Result<Addresses>> answer;
    async::Event answered;
};

async::Task<base::Result<Addresses>> wait_for_answer(std::shared_ptr<Question> question) {
    co_await question->answered.wait();
    co_return *std::move(question->answer);
}

}  // namespace

LinuxResolver::LinuxResolver(async::Loop& loop, std::size_t waiting_max)
    : loop_(loop),
      first_(loop, "resolver-1", waiting_max),
      second_(loop, "resolver-2", waiting_max) {}

async::Task<base::Result<Addresses>> LinuxResolver::resolve(std::string name,
                                                            base::Instant deadline) {
    if (name.empty() || name.size() > name_bytes_max || name.find('\0') != std::string::npos) {
        co_return fail(Code::invalid, "\"{}\": a host name has 1 to {} bytes", name,
                       name_bytes_max);
    }
    if (is_localhost(name)) {
        co_return loopback();
    }
    auto question = std::make_shared<Question>(loop_, std::move(name));
    ThreadOffload& thread = ++asked_ % 2 == 0 ? first_ : second_;
    CO_CHECK_OK(thread.submit([question] { question->answer = ask(question->name); },
                              [question] { question->answered.set(); }));
    auto answer = co_await async::with_deadline(loop_, deadline, wait_for_answer(question));
    if (!answer && answer.error().code == Code::deadline) {
        co_return fail(Code::deadline, "{}: the name servers did not answer in time",
                       question->name);
    }
    co_return answer;
}

}  // namespace tidemill::host_linux
