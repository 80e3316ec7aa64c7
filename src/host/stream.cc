#include "host/stream.h"

namespace tidemill::host {

void Stream::Deadline::set(base::Instant at) {
    due_ = at;
    if (at == base::Instant::never()) {
        return;  // an armed timer fires once, finds nothing due, and stays silent
    }
    if (!armed() || at < this->at()) {
        arm(stream_.loop_, at);
    }
}

void Stream::Deadline::fire() {
    if (due_ == base::Instant::never()) {
        return;
    }
    if (due_ > stream_.loop_.now()) {
        arm(stream_.loop_, due_);
        return;
    }
    (this == &stream_.read_timer_ ? stream_.read_edge_ : stream_.write_edge_).signal();
}

}  // namespace tidemill::host
