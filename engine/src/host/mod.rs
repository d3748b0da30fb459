//! What the rules do not tell: addresses, links, routes, neighbours, bridges and sysctls of the host.
