//! Routing tables as a value: Adj-RIB-In, Loc-RIB, Adj-RIB-Out, decision and policy.
