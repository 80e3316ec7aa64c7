// Small words for system calls that every part of the program uses.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tidemill::launcher {

// An open descriptor, closed at the end of its scope.
class Fd {
public:
    Fd() = default;
    explicit Fd(int number) : number_(number) {}
    Fd(Fd&& other) noexcept : number_(other.release()) {}
    Fd& operator=(Fd&& other) noexcept {
        if (this != &other) {
            reset(other.release());
        }
        return *this;
    }
    ~Fd() { reset(-1); }

    int get() const { return number_; }
    bool open() const { return number_ >= 0; }
    int release() {
        const int number = number_;
        number_ = -1;
        return number;
    }
    void reset(int number);

private:
    int number_ = -1;
};

// What stood in the way: no step means nothing did. Texts live as long as the program or the plan.
struct Failure {
    const char* step = nullptr;
    int error = 0;
    const char* path = "";

    explicit operator bool() const { return step != nullptr; }
};
inline Failure failure(const char* step, const char* path) {
    return {step, errno, path};
}

// A path put together from pieces, cut short rather than overrun (then not good()).
class Path {
public:
    template <typename... Pieces>
    explicit Path(Pieces... pieces) {
        (add(pieces), ...);
    }
    void add(std::string_view piece);
    void add(std::uint64_t number);
    const char* c_str() const { return text_; }
    std::string_view view() const { return {text_, size_}; }
    bool good() const { return good_; }

private:
    char text_[1024] = {};
    std::size_t size_ = 0;
    bool good_ = true;
};

std::int64_t monotonic_ns();
std::int64_t wall_ns();

// Both return false with errno set.
bool write_file(const char* path, std::string_view text);
bool write_number(const char* path, std::uint64_t number);
// What fits of a small file, zero-terminated; empty when it cannot be read.
std::string_view read_file(const char* path, char* into, std::size_t size);
// The number after `key` and white space at the beginning of a line, or nothing found: 0.
std::uint64_t number_after(std::string_view text, std::string_view key);
std::uint64_t parse_number(std::string_view text);
// "mkdir -p" below a directory that exists.
bool make_directories(const char* path, unsigned mode);

// /proc/PID/stat: since when, and in what state ('Z', 'T', …). False when there is none.
struct ProcessStat {
    char state = 0;
    std::int32_t parent = 0;
    std::uint64_t start_ticks = 0;
};
bool read_stat(std::int32_t pid, ProcessStat& into);

}  // namespace tidemill::launcher
