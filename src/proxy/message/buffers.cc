#include "proxy/message/buffers.h"

#include <cstring>

namespace tidemill::proxy {

bool Inbox::compact() {
    if (begin_ == floor_) {
        return false;
    }
    std::memmove(block_.get() + floor_, block_.get() + begin_, end_ - begin_);
    end_ -= begin_ - floor_;
    begin_ = floor_;
    return true;
}

}  // namespace tidemill::proxy
