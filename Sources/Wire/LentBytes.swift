/// Bytes that stay as and where they are until the call that they were given to has returned.
package struct LentBytes: @unchecked Sendable {
  // @unchecked: the lender leaves them alone meanwhile; the borrower only reads, and keeps nothing.
  package let bytes: UnsafeRawBufferPointer

  package init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }
}
