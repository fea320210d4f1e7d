"""A camera above the road from what it sees: points, lane lines, vehicles."""
