"""Stand-ins for services that cannot be had as local processes. Each says so on its index page."""
