#include "wire/http1_writer.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "wire/http1.h"
#include "wire/http_scan.h"
#include "wire/http_text.h"

namespace tidemill::wire {
namespace {

bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

}  // namespace

HeadWriter::HeadWriter(std::span<char> space)
    : bytes_max_(space.size()), data_(space.data()), capacity_(space.size()) {}

HeadWriter::HeadWriter(std::string& out, std::size_t bytes_max)
    : growing_(&out),
      begin_(out.size()),
      bytes_max_(bytes_max),
      data_(out.data()),
      size_(out.size()),
      capacity_(out.size()) {}

bool HeadWriter::reserve(std::size_t bytes) {
    if (fault_ != WriteFault::none) {
        return false;
    }
    const std::size_t wanted = size_ + bytes;
    if (wanted <= capacity_) {
        return true;
    }
    if (growing_ == nullptr || wanted > bytes_max_) {
        refuse(WriteFault::no_room);
        return false;
    }
    growing_->resize(std::min(bytes_max_, std::max(wanted, capacity_ + capacity_ / 2 + 512)));
    data_ = growing_->data();
    capacity_ = growing_->size();
    return true;
}

void HeadWriter::put(std::string_view text) {
    if (!text.empty()) {
        std::memcpy(data_ + size_, text.data(), text.size());
        size_ += text.size();
    }
}

void HeadWriter::refuse(WriteFault fault) {
    if (fault_ == WriteFault::none) {
        fault_ = fault;
    }
    if (growing_ != nullptr) {
        growing_->resize(begin_);
    }
    size_ = begin_;
    capacity_ = begin_;
}

HeadWriter& HeadWriter::request_line(std::string_view method, std::string_view target) {
    const char* target_end = target.data() + target.size();
    if (!is_token(method) || target.empty() ||
        scan::target_end(target.data(), target_end) != target_end) {
        refuse(WriteFault::bad_value);
    } else if (reserve(method.size() + target.size() + 12)) {
        put(method);
        put(" ");
        put(target);
        put(" HTTP/1.1\r\n");
    }
    return *this;
}

HeadWriter& HeadWriter::status_line(std::uint16_t status, std::string_view reason) {
    if (reason.empty()) {
        reason = reason_phrase(status);
    }
    if (status < 100 || status > 599 || !is_field_value(reason)) {
        refuse(WriteFault::bad_value);
    } else if (reserve(reason.size() + 15)) {
        const char digits[3] = {static_cast<char>('0' + status / 100),
                                static_cast<char>('0' + status / 10 % 10),
                                static_cast<char>('0' + status % 10)};
        put("HTTP/1.1 ");
        put({digits, sizeof digits});
        put(" ");
        put(reason);
        put("\r\n");
    }
    return *this;
}

HeadWriter& HeadWriter::field(std::string_view name, std::string_view value) {
    const bool padded = !value.empty() && (is_blank(value.front()) || is_blank(value.back()));
    if (!is_token(name) || !is_field_value(value) || padded) {
        refuse(WriteFault::bad_value);
        return *this;
    }
    return field(Header{name, value, HeaderId::other});
}

HeadWriter& HeadWriter::field(std::string_view name, std::uint64_t value) {
    char digits[20];
    const auto [end, error] = std::to_chars(digits, digits + sizeof digits, value);
    return field(name, std::string_view(digits, static_cast<std::size_t>(end - digits)));
}

HeadWriter& HeadWriter::field(const Header& parsed) {
    if (reserve(parsed.name.size() + parsed.value.size() + 4)) {
        put(parsed.name);
        put(": ");
        put(parsed.value);
        put("\r\n");
    }
    return *this;
}

HeadWriter& HeadWriter::end() {
    if (reserve(2)) {
        put("\r\n");
        if (growing_ != nullptr) {
            growing_->resize(size_);
            capacity_ = size_;
        }
    }
    return *this;
}

std::string_view HeadWriter::text() const {
    return {data_ + begin_, size_ - begin_};
}

}  // namespace tidemill::wire
