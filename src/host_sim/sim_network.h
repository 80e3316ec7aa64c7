// Connections that are slow, cut and split as real ones are.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "async/loop.h"
#include "host/network.h"
#include "host_sim/dice.h"
#include "host_sim/trace.h"

namespace tidemill::host_sim {

struct NetworkOptions {
    base::Duration delay_min = std::chrono::microseconds(5);
    base::Duration delay_max = std::chrono::milliseconds(2);
    // Bytes on the way or unread in one direction; a writer beyond waits.
    std::size_t window_bytes = 64U << 10;
    // Reads and writes that move fewer bytes than they could, per million.
    std::uint32_t short_ppm = 300'000;
    // Writes after which the connection is reset, and connections refused, per million.
    std::uint32_t reset_ppm = 0;
    std::uint32_t refused_ppm = 0;
};

// Byte streams between named nodes (machines or processes). Each write takes its own delay, order
// is kept. Bytes that arrived before a reset can still be read, as on Linux. A partition holds what
// one node sends to another until it is healed, as retransmission would; connecting through one
// waits for it. Unix addresses are known by their path, on every node.
class SimNetwork {
public:
    SimNetwork(async::Loop& loop, std::uint64_t seed, Trace& trace, NetworkOptions options = {});
    ~SimNetwork();

    // The network as one node sees it; made when first named, lives as long as *this.
    host::Network& node(const std::string& name);
    // One way: what `from` sends no longer reaches `to`.
    void partition(const std::string& from, const std::string& to);
    void heal(const std::string& from, const std::string& to);
    void heal_all();
    // Breaks every connection of a node, at both ends.
    void reset_all(const std::string& name);
    // Makes the listener's socket inheritable by `name` on that node: it stays open while the
    // registration or any listener of it lives.
    void pass(const std::string& node, const std::string& name, host::Listener& listener);
    void set_options(NetworkOptions options) { options_ = options; }
    std::size_t connections() const;

private:
    struct Connection;
    struct Pipe;
    struct Socket;
    class Node;
    class SimStream;
    class SimListener;

    bool cut(const std::string& from, const std::string& to) const {
        return partitions_.contains({from, to});
    }
    base::Duration delay() { return dice_.between(options_.delay_min, options_.delay_max); }
    std::size_t some_of(std::size_t size);
    std::shared_ptr<Socket> reach(const host::Address& address);
    std::unique_ptr<SimStream> open(const std::string& from, const host::Address& to,
                                    Socket& socket);
    void resume_pipes();

    async::Loop& loop_;
    Dice dice_;
    Trace& trace_;
    NetworkOptions options_;
    std::map<std::string, std::unique_ptr<Node>> nodes_;
    std::map<std::string, std::vector<std::weak_ptr<Socket>>> sockets_;  // by address
    std::map<std::pair<std::string, std::string>, std::shared_ptr<Socket>> passed_;
    std::set<std::pair<std::string, std::string>> partitions_;
    std::vector<std::weak_ptr<Connection>> connections_;
    std::uint16_t port_next_ = 30'000;
};

}  // namespace tidemill::host_sim
