import Glibc

/// What changes when a file does.
struct FileMark: Equatable {
  private let device: UInt
  private let inode: UInt
  private let byteCount: Int
  private let seconds: Int
  private let nanoseconds: Int

  /// Nil if there is no such regular file.
  init?(_ path: String) {
    var status = stat()
    guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
    device = status.st_dev
    inode = status.st_ino
    byteCount = Int(status.st_size)
    seconds = status.st_ctim.tv_sec
    nanoseconds = status.st_ctim.tv_nsec
  }
}
