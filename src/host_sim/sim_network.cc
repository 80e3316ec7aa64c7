#include "host_sim/sim_network.h"

#include <algorithm>
#include <cstring>
#include <deque>

#include "async/event.h"
#include "base/check.h"

namespace tidemill::host_sim {
namespace {

using base::Code;
using base::fail;
using base::Result;
using host::Address;
using host::IoResult;

// How long a connection attempt waits before it tries a cut way or a full backlog again; TCP's
// initial retransmission timeout is 1 s (RFC 6298), loopback answers sooner.
constexpr auto retry_every = std::chrono::milliseconds(200);

std::string wildcard_of(const host::IpAddress& ip) {
    host::IpAddress any = ip;
    any.bytes.fill(0);
    return host::to_string(any);
}

}  // namespace

// One direction of a connection.
struct SimNetwork::Pipe final : async::Timer {
    struct Segment {
        base::Instant at;
        enum class Type : std::uint8_t { bytes, end, reset } type = Type::bytes;
        std::string bytes;
    };
    // Tells the sender, after a delay, that there is room again.
    struct Credit final : async::Timer {
        Pipe* pipe = nullptr;
        void fire() override;
    };

    SimNetwork* network = nullptr;
    Connection* connection = nullptr;  // that this is part of
    std::string from;
    std::string to;
    SimStream* sender = nullptr;
    SimStream* receiver = nullptr;
    Pipe* back = nullptr;  // the other direction
    std::deque<Segment> on_the_way;
    std::size_t on_the_way_bytes = 0;
    std::string arrived;
    bool ended = false;         // the receiver has seen all that will come
    bool broken = false;        // reset has arrived at the receiver
    bool write_closed = false;  // the sender has shut this direction
    Credit credit;

    std::size_t room() const {
        const auto used = on_the_way_bytes + arrived.size();
        const auto window = network->options_.window_bytes;
        return used < window ? window - used : 0;
    }
    void send(Segment::Type type, std::string bytes) {
        const auto last = on_the_way.empty() ? network->loop_.now() : on_the_way.back().at;
        on_the_way_bytes += bytes.size();
        on_the_way.push_back(
            {std::max(last, network->loop_.now() + network->delay()), type, std::move(bytes)});
        go_on();
    }
    void go_on() {
        if (!armed() && !on_the_way.empty() && !network->cut(from, to)) {
            arm(network->loop_, on_the_way.front().at);
        }
    }
    void fire() override;
};

// Lives while one of its two streams does.
struct SimNetwork::Connection : std::enable_shared_from_this<SimNetwork::Connection> {
    Pipe forth;  // from the one who connected
    Pipe back;
};

struct SimNetwork::Socket {
    explicit Socket(async::Loop& loop) : ready(loop) {}
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;
    ~Socket();  // resets what nobody accepted
    std::string node;
    Address address;
    std::size_t backlog_max = 0;
    host::ListenOptions::Sharing sharing = host::ListenOptions::Sharing::exclusive;
    std::deque<std::unique_ptr<SimStream>> backlog;
    async::Event ready;
};

class SimNetwork::SimStream final : public host::Stream {
public:
    SimStream(SimNetwork& network, std::shared_ptr<Connection> connection, Pipe& in, Pipe& out,
              host::Peer peer)
        : Stream(network.loop_),
          network_(network),
          connection_(std::move(connection)),
          in_(in),
          out_(out),
          peer_(peer) {
        in_.receiver = this;
        out_.sender = this;
    }
    ~SimStream() override {
        in_.receiver = nullptr;
        out_.sender = nullptr;
        // Closing with bytes unread resets, as TCP does (RFC 2525 section 2.17).
        const bool reset = aborted_ || !in_.arrived.empty();
        if (reset) {
            out_.send(Pipe::Segment::Type::reset, {});
        } else if (!out_.write_closed) {
            out_.send(Pipe::Segment::Type::end, {});
        }
        out_.write_closed = true;
    }

    IoResult try_readv(std::span<const host::MutableBuffer> buffers) override {
        if (read_expired()) {
            return {IoResult::Kind::deadline};
        }
        if (in_.arrived.empty()) {
            if (in_.broken) {
                return {IoResult::Kind::failed};
            }
            if (in_.ended) {
                return {IoResult::Kind::eof};
            }
            read_edge_.drained();
            return {IoResult::Kind::blocked};
        }
        std::size_t want = 0;
        for (const auto& buffer : buffers) {
            want += buffer.size;
        }
        const auto size = network_.some_of(std::min(want, in_.arrived.size()));
        std::size_t taken = 0;
        for (const auto& buffer : buffers) {
            const auto part = std::min(buffer.size, size - taken);
            std::memcpy(buffer.data, in_.arrived.data() + taken, part);
            taken += part;
        }
        in_.arrived.erase(0, size);
        if (in_.sender != nullptr && !in_.credit.armed()) {
            in_.credit.arm(network_.loop_, network_.loop_.now() + network_.delay());
        }
        return {IoResult::Kind::done, size};
    }

    IoResult try_writev(std::span<const host::ConstBuffer> buffers) override {
        if (write_expired()) {
            return {IoResult::Kind::deadline};
        }
        if (in_.broken || out_.write_closed) {
            return {IoResult::Kind::failed};
        }
        std::string bytes;
        for (const auto& buffer : buffers) {
            bytes.append(buffer.data, buffer.size);
        }
        const auto room = std::min(out_.room(), bytes.size());
        if (room == 0) {
            write_edge_.drained();
            return {IoResult::Kind::blocked};
        }
        bytes.resize(network_.some_of(room));
        const auto size = bytes.size();
        network_.trace_.add("net write", size);
        out_.send(Pipe::Segment::Type::bytes, std::move(bytes));
        if (network_.dice_.chance(network_.options_.reset_ppm)) {
            break_both();
        }
        return {IoResult::Kind::done, size};
    }

    bool quiet() override { return in_.arrived.empty() && !in_.ended && !in_.broken; }
    void shutdown_write() override {
        if (!out_.write_closed) {
            out_.write_closed = true;
            out_.send(Pipe::Segment::Type::end, {});
        }
    }
    void abort() override { aborted_ = true; }
    const host::Peer& peer() const override { return peer_; }

    void break_both() {
        for (Pipe* const pipe : {&in_, &out_}) {
            pipe->on_the_way.clear();
            pipe->on_the_way_bytes = 0;
            pipe->disarm();
            pipe->send(Pipe::Segment::Type::reset, {});
        }
    }
    void signal_read() { read_edge_.signal(); }
    void signal_write() { write_edge_.signal(); }

private:
    SimNetwork& network_;
    std::shared_ptr<Connection> connection_;
    Pipe& in_;
    Pipe& out_;
    host::Peer peer_;
    bool aborted_ = false;
};

void SimNetwork::Pipe::Credit::fire() {
    if (pipe->sender != nullptr) {
        pipe->sender->signal_write();
    }
}

void SimNetwork::Pipe::fire() {
    if (network->cut(from, to)) {
        return;  // heal() goes on
    }
    auto segment = std::move(on_the_way.front());
    on_the_way.pop_front();
    on_the_way_bytes -= segment.bytes.size();
    go_on();
    network->trace_.add("net arrive", static_cast<std::uint64_t>(segment.type),
                        segment.bytes.size());
    if (receiver == nullptr) {
        if (segment.type == Segment::Type::bytes && back->receiver != nullptr && !back->broken) {
            back->send(Segment::Type::reset, {});
        }
        return;
    }
    switch (segment.type) {
        case Segment::Type::bytes:
            arrived += segment.bytes;
            break;
        case Segment::Type::end:
            ended = true;
            break;
        case Segment::Type::reset:
            broken = true;
            break;
    }
    // A waiter that goes on may destroy the stream, or both and this with them.
    const auto alive = connection->shared_from_this();
    receiver->signal_read();
    if (broken && receiver != nullptr) {
        receiver->signal_write();
    }
}

SimNetwork::Socket::~Socket() {
    for (const auto& stream : backlog) {
        stream->abort();
    }
}

class SimNetwork::SimListener final : public host::Listener {
public:
    SimListener(SimNetwork& network, std::shared_ptr<Socket> socket)
        : network_(network), socket_(std::move(socket)) {}

    async::Task<Result<std::unique_ptr<host::Stream>>> accept() override {
        while (socket_->backlog.empty()) {
            socket_->ready.reset();
            co_await socket_->ready.wait();
        }
        std::unique_ptr<host::Stream> stream = std::move(socket_->backlog.front());
        socket_->backlog.pop_front();
        network_.trace_.add("net accept");
        co_return stream;
    }
    const Address& local() const override { return socket_->address; }
    const std::shared_ptr<Socket>& socket() const { return socket_; }

private:
    SimNetwork& network_;
    std::shared_ptr<Socket> socket_;
};

class SimNetwork::Node final : public host::Network {
public:
    Node(SimNetwork& network, std::string name) : network_(network), name_(std::move(name)) {}

    async::Task<Result<std::unique_ptr<host::Stream>>> connect(Address to,
                                                               base::Instant deadline) override {
        auto& loop = network_.loop_;
        auto pause = network_.delay();
        for (;;) {
            const auto at = std::min(deadline, loop.now() + pause);
            co_await async::sleep_until(loop, at);
            if (at == deadline) {
                co_return fail(Code::deadline, "{}: no connection before the deadline",
                               host::to_string(to));
            }
            pause = retry_every;
            const auto socket = network_.reach(to);
            if (socket != nullptr &&
                (network_.cut(name_, socket->node) || network_.cut(socket->node, name_) ||
                 socket->backlog.size() >= socket->backlog_max)) {
                continue;
            }
            if (socket == nullptr || network_.dice_.chance(network_.options_.refused_ppm)) {
                co_return fail(Code::unavailable, "{}: connection refused", host::to_string(to));
            }
            co_return network_.open(name_, to, *socket);
        }
    }

    Result<std::unique_ptr<host::Listener>> listen(const Address& at,
                                                   const host::ListenOptions& options) override {
        auto address = at;
        if (auto* ip = std::get_if<host::IpAddress>(&address); ip != nullptr && ip->port == 0) {
            ip->port = network_.port_next_++;
        }
        auto& holders = network_.sockets_[host::to_string(address)];
        std::erase_if(holders, [](const auto& holder) { return holder.expired(); });
        for (const auto& holder : holders) {
            using Sharing = host::ListenOptions::Sharing;
            if (holder.lock()->sharing == Sharing::exclusive ||
                options.sharing == Sharing::exclusive) {
                return fail(Code::conflict, "{}: address in use", host::to_string(address));
            }
        }
        auto socket = std::make_shared<Socket>(network_.loop_);
        socket->node = name_;
        socket->address = address;
        socket->backlog_max = static_cast<std::size_t>(std::max(1, options.backlog));
        socket->sharing = options.sharing;
        holders.push_back(socket);
        return std::make_unique<SimListener>(network_, std::move(socket));
    }

    Result<std::unique_ptr<host::Listener>> inherited(std::string_view name) override {
        const auto found = network_.passed_.find({name_, std::string(name)});
        if (found == network_.passed_.end()) {
            return fail(Code::not_found, "no listening socket named \"{}\" was passed", name);
        }
        return std::make_unique<SimListener>(network_, found->second);
    }

private:
    SimNetwork& network_;
    std::string name_;
};

SimNetwork::SimNetwork(async::Loop& loop, std::uint64_t seed, Trace& trace, NetworkOptions options)
    : loop_(loop), dice_(seed, "network"), trace_(trace), options_(options) {}

SimNetwork::~SimNetwork() = default;

host::Network& SimNetwork::node(const std::string& name) {
    auto& node = nodes_[name];
    if (node == nullptr) {
        node = std::make_unique<Node>(*this, name);
    }
    return *node;
}

std::size_t SimNetwork::some_of(std::size_t size) {
    return size > 1 && dice_.chance(options_.short_ppm) ? 1 + dice_.below(size - 1) : size;
}

std::shared_ptr<SimNetwork::Socket> SimNetwork::reach(const Address& address) {
    std::vector<std::shared_ptr<Socket>> live;
    const auto collect = [&](const std::string& text) {
        if (const auto found = sockets_.find(text); found != sockets_.end()) {
            for (const auto& holder : found->second) {
                if (auto socket = holder.lock()) {
                    live.push_back(std::move(socket));
                }
            }
        }
    };
    collect(host::to_string(address));
    if (const auto* ip = std::get_if<host::IpAddress>(&address); ip != nullptr && live.empty()) {
        collect(wildcard_of(*ip));
    }
    return live.empty() ? nullptr : live[dice_.below(live.size())];
}

std::unique_ptr<SimNetwork::SimStream> SimNetwork::open(const std::string& from, const Address& to,
                                                        Socket& socket) {
    auto connection = std::make_shared<Connection>();
    const auto set_up = [&](Pipe& pipe, Pipe& back, const std::string& source,
                            const std::string& target) {
        pipe.network = this;
        pipe.connection = connection.get();
        pipe.from = source;
        pipe.to = target;
        pipe.back = &back;
        pipe.credit.pipe = &pipe;
    };
    set_up(connection->forth, connection->back, from, socket.node);
    set_up(connection->back, connection->forth, socket.node, from);
    host::Peer server;
    host::Peer client;
    if (const auto* ip = std::get_if<host::IpAddress>(&to)) {
        server.ip = *ip;
        client.ip = host::IpAddress::loopback(port_next_++);
    } else {
        server.uid = client.uid = 0;
        server.gid = client.gid = 0;
        server.pid = client.pid = 1;
    }
    std::erase_if(connections_, [](const auto& other) { return other.expired(); });
    connections_.push_back(connection);
    trace_.add("net connect");
    socket.backlog.push_back(std::make_unique<SimStream>(*this, connection, connection->forth,
                                                         connection->back, client));
    socket.ready.set();
    return std::make_unique<SimStream>(*this, connection, connection->back, connection->forth,
                                       server);
}

void SimNetwork::resume_pipes() {
    for (const auto& held : connections_) {
        if (const auto connection = held.lock()) {
            connection->forth.go_on();
            connection->back.go_on();
        }
    }
}

void SimNetwork::partition(const std::string& from, const std::string& to) {
    partitions_.insert({from, to});
    trace_.add("net partition");
}

void SimNetwork::heal(const std::string& from, const std::string& to) {
    partitions_.erase({from, to});
    resume_pipes();
}

void SimNetwork::heal_all() {
    partitions_.clear();
    resume_pipes();
}

void SimNetwork::reset_all(const std::string& name) {
    for (const auto& held : connections_) {
        const auto connection = held.lock();
        if (connection == nullptr ||
            (connection->forth.from != name && connection->forth.to != name)) {
            continue;
        }
        for (auto* const end : {connection->forth.sender, connection->back.sender}) {
            if (end != nullptr) {
                end->break_both();
                break;
            }
        }
    }
}

void SimNetwork::pass(const std::string& node, const std::string& name, host::Listener& listener) {
    passed_[{node, name}] = dynamic_cast<SimListener&>(listener).socket();
}

std::size_t SimNetwork::connections() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(connections_, [](const auto& held) { return !held.expired(); }));
}

}  // namespace tidemill::host_sim
