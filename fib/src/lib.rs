//! Kernel routes: a pure planner and one narrow netlink door.
