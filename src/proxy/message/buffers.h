// The memory that bytes pass through: taken when there is something to read, given back when it is
// dealt with, so that an idle connection holds none.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

namespace tidemill::proxy {

// Blocks of one size for one worker. The block given back last is taken first: it is in the cache.
class BufferPool {
public:
    // Large enough for a head of the largest size allowed and a good run of body behind it, small
    // enough that one per direction bounds what a request may hold.
    static constexpr std::size_t block_bytes = std::size_t{32} * 1024;

    // Keeps at most `kept_max` free blocks.
    explicit BufferPool(std::size_t kept_max) : kept_max_(kept_max) {}

    std::unique_ptr<char[]> take() {
        if (free_.empty()) {
            return std::unique_ptr<char[]>(new char[block_bytes]);
        }
        auto block = std::move(free_.back());
        free_.pop_back();
        return block;
    }
    void give(std::unique_ptr<char[]> block) {
        if (block != nullptr && free_.size() < kept_max_) {
            free_.push_back(std::move(block));
        }
    }

private:
    std::vector<std::unique_ptr<char[]>> free_;
    std::size_t kept_max_;
};

// A block with the bytes that were read and not yet used: [begin, end).
class Inbox {
public:
    explicit Inbox(BufferPool& pool) : pool_(&pool) {}
    Inbox(const Inbox&) = delete;
    Inbox& operator=(const Inbox&) = delete;
    ~Inbox() { release(); }

    void ensure() {
        if (block_ == nullptr) {
            block_ = pool_->take();
            begin_ = end_ = floor_ = 0;
        }
    }
    void release() {
        pool_->give(std::move(block_));
        begin_ = end_ = floor_ = 0;
    }
    bool held() const { return block_ != nullptr; }
    std::string_view bytes() const { return {block_.get() + begin_, end_ - begin_}; }
    bool empty() const { return begin_ == end_; }

    char* space() { return block_.get() + end_; }
    std::size_t room() const { return BufferPool::block_bytes - end_; }
    void filled(std::size_t bytes) { end_ += bytes; }
    void consume(std::size_t bytes) { begin_ += bytes; }
    std::size_t begin() const { return begin_; }
    // Goes back to a place that was consumed and is still there.
    void rewind(std::size_t begin) { begin_ = begin; }

    // What lies before `floor` stays where it is: views point into it.
    void keep_below(std::size_t floor) { floor_ = floor; }
    std::size_t floor() const { return floor_; }
    // Makes room behind what is not consumed. True if bytes below `begin` were given up.
    bool compact();

private:
    BufferPool* pool_;
    std::unique_ptr<char[]> block_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::size_t floor_ = 0;
};

}  // namespace tidemill::proxy
