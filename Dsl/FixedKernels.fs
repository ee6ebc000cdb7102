namespace CnnCluster.Dsl

/// A catalogue entry: a kernel that scripts can name instead of writing its numbers, rows from above.
type FixedKernelDefinition =
    { Name: string
      Summary: string
      Arguments: NumberArgument list
      Create: float list -> Result<float list list, string> }

module FixedKernel =
    let private plain name summary rows =
        { Name = name
          Summary = summary
          Arguments = []
          Create = fun _ -> Ok rows }

    let private outer (column: float list) (row: float list) =
        [ for a in column -> [ for b in row -> a * b ] ]

    /// The greatest side of a named kernel.
    [<Literal>]
    let private Greatest = 99.0

    let private sized size make =
        if size = floor size && size >= 1.0 && size <= Greatest then
            Ok(make (int size))
        else
            Result.Error $"a kernel's size is a whole number from 1 to {int Greatest}"

    /// Binomial coefficients over their sum: the discrete Gaussian of variance (size − 1)/4.
    let private binomial size =
        let next row =
            List.map2 (+) (0.0 :: row) (row @ [ 0.0 ])

        let row = List.fold (fun row _ -> next row) [ 1.0 ] [ 2..size ]
        let sum = List.sum row
        row |> List.map (fun value -> value / sum)

    /// Relative to the nearest place, so that a small deviation leaves something of an even kernel too.
    let private sampled deviation size =
        let middle = float (size - 1) / 2.0

        let exponents =
            [ for i in 0 .. size - 1 -> ((float i - middle) / deviation) ** 2.0 / 2.0 ]

        let row = exponents |> List.map (fun value -> exp (List.min exponents - value))
        let sum = List.sum row
        row |> List.map (fun value -> value / sum)

    let private gaussian =
        function
        | [ size; 0.0 ] -> sized size (fun n -> outer (binomial n) (binomial n))
        | [ _; deviation ] when deviation < 0.01 ->
            Result.Error "a Gaussian's deviation is 0, for binomial coefficients, or 0.01 pixels at least"
        | [ size; deviation ] -> sized size (fun n -> outer (sampled deviation n) (sampled deviation n))
        | _ -> invalidOp "gaussian has two values"

    let private box values =
        sized (List.head values) (fun n -> List.replicate n (List.replicate n (1.0 / float (n * n))))

    /// The kernels that scripts can name.
    let all =
        [ { Name = "gaussian"
            Summary =
              "Blurs: a Gaussian of a deviation in pixels; with deviation 0 binomial coefficients, at size 3 [1 2 1; 2 4 2; 1 2 1]/16."
            Arguments = [ NumberArgument.atLeast 1.0 "size" 3.0; NumberArgument.atLeast 0.0 "deviation" 0.0 ]
            Create = gaussian }
          { Name = "box"
            Summary = "Blurs: the mean of the window."
            Arguments = [ NumberArgument.atLeast 1.0 "size" 3.0 ]
            Create = box }
          plain
              "edge"
              "Contours: [-1 -1 -1; -1 8 -1; -1 -1 -1]."
              [ [ -1.0; -1.0; -1.0 ]; [ -1.0; 8.0; -1.0 ]; [ -1.0; -1.0; -1.0 ] ]
          plain
              "laplacian"
              "The Laplace operator: [0 1 0; 1 -4 1; 0 1 0]."
              [ [ 0.0; 1.0; 0.0 ]; [ 1.0; -4.0; 1.0 ]; [ 0.0; 1.0; 0.0 ] ]
          plain
              "sharpen"
              "The image less its Laplacian: [0 -1 0; -1 5 -1; 0 -1 0]."
              [ [ 0.0; -1.0; 0.0 ]; [ -1.0; 5.0; -1.0 ]; [ 0.0; -1.0; 0.0 ] ]
          plain
              "sobel-x"
              "The slope to the right: [-1 0 1; -2 0 2; -1 0 1]."
              [ [ -1.0; 0.0; 1.0 ]; [ -2.0; 0.0; 2.0 ]; [ -1.0; 0.0; 1.0 ] ]
          plain
              "sobel-y"
              "The slope downwards: [-1 -2 -1; 0 0 0; 1 2 1]."
              [ [ -1.0; -2.0; -1.0 ]; [ 0.0; 0.0; 0.0 ]; [ 1.0; 2.0; 1.0 ] ] ]
