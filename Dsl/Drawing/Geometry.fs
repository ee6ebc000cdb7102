/// What a layout is made of; lengths are in pixels, and y grows downwards.
module internal CnnCluster.Dsl.Drawing.Geometry

type Rectangle =
    { X: float
      Y: float
      Width: float
      Height: float }

/// A vertical stretch of an edge; curves join it to the next.
type Stretch = { X: float; Top: float; Bottom: float }

/// A part of an edge, within one block.
type Route =
    {
        Stretches: Stretch list
        /// Whether it ends at a box, and so in an arrow's head, not at a frame.
        Arrives: bool
    }
