namespace CnnCluster.Dsl

open System
open CnnCluster.Kernels

/// How many inputs feed an output of a weight, and how many outputs an input feeds.
type Fans = { In: float; Out: float }

/// Where a weight's first values come from. Scaled by fans: Glorot and Bengio, AISTATS 2010; He et al., ICCV 2015;
/// LeCun et al., Efficient BackProp, 1998.
type Initialiser =
    | Uniform of low: float * high: float
    | Normal of mean: float * deviation: float
    /// Values beyond two deviations are drawn again.
    | TruncatedNormal of mean: float * deviation: float
    | Constant of float
    /// Uniform in ±√(3·scale / fan).
    | ScaledUniform of scale: float * fan: (Fans -> float)
    /// Truncated normal whose deviation, after truncation, is √(scale / fan).
    | ScaledNormal of scale: float * fan: (Fans -> float)
    /// These numbers in the weight's order, again and again, as a fixed kernel has them for each pair of channels.
    | Given of float[]

/// A catalogue entry. Arguments in the script's order, with defaults as in Keras 3.
type InitialiserDefinition =
    {
        Name: string
        /// The distribution of the values.
        Formula: string
        /// The paper; empty if there is none.
        Source: string
        Arguments: NumberArgument list
        Create: float list -> Initialiser
    }

module Initialiser =
    let private mean (fans: Fans) = (fans.In + fans.Out) / 2.0

    /// The deviation of a standard normal number cut off at ±2.
    let private truncatedDeviation = 0.87962566103423978

    let private plain name formula source initialiser =
        { Name = name
          Formula = formula
          Source = source
          Arguments = []
          Create = fun _ -> initialiser }

    let private pair name formula first second create =
        { Name = name
          Formula = formula
          Source = ""
          Arguments = [ first; second ]
          Create =
            function
            | [ a; b ] -> create (a, b)
            | other -> invalidArg (nameof create) $"{name} takes two values, not {other.Length}." }

    let private glorot = "Glorot, Bengio, AISTATS 2010"
    let private he = "He et al., ICCV 2015"
    let private lecun = "LeCun et al., Efficient BackProp, 1998"

    /// The initialisers that scripts can name.
    let all =
        [ plain "glorot" "uniform in ±√(6 / (fan in + fan out))" glorot (ScaledUniform(1.0, mean))
          plain "glorot-uniform" "another name of glorot" glorot (ScaledUniform(1.0, mean))
          plain "glorot-normal" "truncated normal of variance 2 / (fan in + fan out)" glorot (ScaledNormal(1.0, mean))
          plain "he" "truncated normal of variance 2 / fan in" he (ScaledNormal(2.0, _.In))
          plain "he-normal" "another name of he" he (ScaledNormal(2.0, _.In))
          plain "he-uniform" "uniform in ±√(6 / fan in)" he (ScaledUniform(2.0, _.In))
          plain "lecun" "truncated normal of variance 1 / fan in" lecun (ScaledNormal(1.0, _.In))
          plain "lecun-normal" "another name of lecun" lecun (ScaledNormal(1.0, _.In))
          plain "lecun-uniform" "uniform in ±√(3 / fan in)" lecun (ScaledUniform(1.0, _.In))
          plain "zeros" "0" "" (Constant 0.0)
          plain "ones" "1" "" (Constant 1.0)
          { Name = "constant"
            Formula = "one value throughout"
            Source = ""
            Arguments = [ NumberArgument.any "value" 0.0 ]
            Create = List.head >> Constant }
          pair
              "uniform"
              "uniform between low and high"
              (NumberArgument.any "low" -0.05)
              (NumberArgument.any "high" 0.05)
              Uniform
          pair "normal" "normal" (NumberArgument.any "mean" 0.0) (NumberArgument.atLeast 0.0 "deviation" 0.05) Normal
          pair
              "truncated-normal"
              "normal, drawn again where it is two deviations or more from the mean; the variance is not corrected"
              (NumberArgument.any "mean" 0.0)
              (NumberArgument.atLeast 0.0 "deviation" 0.05)
              TruncatedNormal ]

    let private truncated key element =
        let rec draw attempt =
            let value = CounterRandom.Normal(key, attempt, element)
            if abs value < 2.0 then value else draw (attempt + 1UL)

        draw 0UL

    /// The first value of one element, a pure function of the weight's key and the element.
    let value initialiser fans (key: RandomKey) (element: uint64) =
        let uniform low high =
            low + (high - low) * CounterRandom.Uniform(key, 0UL, element)

        match initialiser with
        | Constant value -> value
        | Given values -> values[int (element % uint64 values.Length)]
        | Uniform(low, high) -> uniform low high
        | Normal(mean, deviation) -> mean + deviation * CounterRandom.Normal(key, 0UL, element)
        | TruncatedNormal(mean, deviation) -> mean + deviation * truncated key element
        | ScaledUniform(scale, fan) ->
            let limit = sqrt (3.0 * scale / fan fans)
            uniform -limit limit
        | ScaledNormal(scale, fan) -> sqrt (scale / fan fans) / truncatedDeviation * truncated key element
