#include "async/event.h"

namespace tidemill::async {

void Event::set() {
    set_ = true;
    while (Ready* waiter = waiters_.pop_front()) {
        loop_.post(*waiter);
    }
}

}  // namespace tidemill::async
