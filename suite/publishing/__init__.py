"""The site at any size, and for ever: what a store holds, its boards built and kept, releases, their history, feed, badges, schemas."""
