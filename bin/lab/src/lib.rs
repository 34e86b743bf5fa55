//! A rack in a box: two TORs, two nodes and their pods in network namespaces.
