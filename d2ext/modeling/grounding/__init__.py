"""3D grounding: what U2ENet and the two-stage model are made of."""
