namespace CnnCluster.Dsl

/// A number in the parentheses of a word, as in `normal(0, 0.05)`; where it is left out, its default stands for it.
type NumberArgument =
    {
        Name: string
        Default: float
        /// The least number that it may be; −∞ where any will do.
        Least: float
    }

module NumberArgument =
    let any name standard =
        { Name = name
          Default = standard
          Least = System.Double.NegativeInfinity }

    let atLeast least name standard =
        { any name standard with Least = least }
