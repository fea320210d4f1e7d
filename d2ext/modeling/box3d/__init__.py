"""From features to 3D boxes: the head, its closed forms, encoded images, and a second look at boxes."""
