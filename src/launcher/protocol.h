// What the launcher program and its client say to each other, over the program's stdin and stdout.
//
// A frame is a Header and its payload. Numbers are in the machine's own order (both ends are one
// binary), texts are their length, their bytes and a zero. The first frame of each side is `hello`.
// Header-only and free of the standard library's heap, because the program is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>

namespace tidemill::launcher {

inline constexpr std::uint32_t protocol_version = 1;
inline constexpr std::uint32_t frame_bytes_max = 4U << 20;
inline constexpr std::uint32_t name_bytes_max = 200;
inline constexpr std::uint32_t note_bytes_max = 16U << 10;
inline constexpr std::uint32_t mounts_max = 256;
inline constexpr std::uint32_t arguments_max = 4096;

enum class FrameType : std::uint16_t {
    // Client to program.
    hello = 1,        // version, run directory, cgroup name, instances that may live
    launch = 2,       // the fields of host::LaunchPlan in order
    signal = 3,       // name, number
    kill = 4,         // name
    freeze = 5,       // name, 1 to freeze and 0 to thaw
    scan = 6,         // nothing
    inspect = 7,      // name
    forget = 8,       // name
    port_holder = 9,  // name, port
    // Program to client; `request` is that of the question, 0 for news.
    welcome = 32,       // version, capabilities
    launched = 33,      // pid, start ticks, five times (monotonic ns): received, cloning, child
                        // began, root done, exec done
    failed = 34,        // errno, step, path
    done = 35,          // nothing
    known = 36,         // one instance of a scan
    listening = 37,     // family, port, address: one socket of an inspection
    inspected = 38,     // processes, memory, cpu, oom kills: ends an inspection
    news_ended = 39,    // name, Ending
    news_stopped = 40,  // name
    news_resumed = 41,  // name
    held = 42,          // HolderKind, pid, name of the process: answers port_holder
};

// host::PortHolder::Who.
enum class HolderKind : std::uint8_t { nobody, instance, other, unknown };

struct Header {
    std::uint32_t payload_bytes;
    FrameType type;
    std::uint16_t reserved;
    std::uint64_t request;
};
static_assert(sizeof(Header) == 16);

// What the host can give; host::LauncherCapabilities without its text.
struct Capabilities {
    std::uint32_t uid;
    std::uint8_t namespaces;
    std::uint8_t user_namespaces;
    std::uint8_t cgroup_memory;
    std::uint8_t cgroup_memory_swap;
    std::uint8_t cgroup_cpu;
    std::uint8_t cgroup_pids;
    std::uint8_t cgroup_freezer;
    std::uint8_t seccomp;
    std::uint8_t mount_attributes;
    std::uint8_t pidfd;
    std::uint8_t overlay;
    std::uint8_t padding;
    std::uint32_t cgroup_version;
    std::uint32_t landlock_abi;
};

// How an instance ended: `how` says which of code and signal counts.
struct Ending {
    enum class How : std::uint32_t { unknown, exited, signalled };
    How how;
    std::int32_t number;
    std::uint64_t oom_kills;
    std::int64_t wall_ns;
};

// Takes values off a payload. After the first that is not there, ok() is false and values are zero.
class Reader {
public:
    Reader(const char* data, std::size_t size) : data_(data), left_(size) {}

    template <typename T>
        requires std::is_trivially_copyable_v<T>
    T take() {
        T value{};
        if (const char* at = bytes(sizeof(T))) {
            std::memcpy(&value, at, sizeof(T));
        }
        return value;
    }
    // Zero-terminated, without a zero inside.
    std::string_view text() {
        const auto size = take<std::uint32_t>();
        const char* at = bytes(std::size_t{size} + 1);
        if (at == nullptr || at[size] != '\0' || std::memchr(at, 0, size) != nullptr) {
            ok_ = false;
            return {"", 0};
        }
        return {at, size};
    }
    // Any bytes.
    std::string_view blob() {
        const auto size = take<std::uint32_t>();
        const char* at = bytes(size);
        return at == nullptr ? std::string_view("", 0) : std::string_view(at, size);
    }
    bool ok() const { return ok_; }
    bool at_end() const { return ok_ && left_ == 0; }

private:
    const char* bytes(std::size_t size) {
        if (!ok_ || size > left_) {
            ok_ = false;
            return nullptr;
        }
        const char* at = data_;
        data_ += size;
        left_ -= size;
        return at;
    }
    const char* data_;
    std::size_t left_;
    bool ok_ = true;
};

// Puts values into anything with append(const char*, size).
template <typename Sink>
class Writer {
public:
    explicit Writer(Sink& sink) : sink_(sink) {}

    template <typename T>
        requires std::is_trivially_copyable_v<T>
    void put(const T& value) {
        sink_.append(reinterpret_cast<const char*>(&value), sizeof(T));
    }
    void text(std::string_view value) {
        blob(value);
        sink_.append("", 1);
    }
    void blob(std::string_view value) {
        put(static_cast<std::uint32_t>(value.size()));
        sink_.append(value.data(), value.size());
    }

private:
    Sink& sink_;
};

}  // namespace tidemill::launcher
