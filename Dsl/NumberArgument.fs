namespace CnnCluster.Dsl

/// A number in the parentheses of a word, as in `normal(0, 0.05)`; where it is left out, its default stands for it.
type NumberArgument =
    {
        Name: string
        Default: float
        /// The least number that it may be; where any will do, that of float32, which networks compute with.
        Least: float
    }

module NumberArgument =
    /// No number is greater: networks compute with float32.
    [<Literal>]
    let Greatest = 3.4e38

    let any name standard =
        { Name = name
          Default = standard
          Least = -Greatest }

    let atLeast least name standard =
        { any name standard with Least = least }
