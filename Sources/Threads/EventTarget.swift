/// What an event loop wakes: a descriptor and what it stands for. Only touched from its loop's thread.
open class EventTarget {
  public init() {}

  /// - Parameter events: The bits that epoll reported.
  open func ready(_ events: UInt32) {}
  /// Called a few times a second with the loop's clock while anything is armed; ends what waited too long.
  open func sweep(now: UInt64) {}
}
