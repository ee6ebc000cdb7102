/// Writes expressions, as they stand in a canonical script.
module internal CnnCluster.Dsl.ExpressionPrinter

open System
open System.Globalization
open System.Text.RegularExpressions
open CnnCluster.Dsl.Syntax

/// The shortest form that reads back as the same number, with an exponent where zeros would have to be counted: 32,
/// 0.01 and 1e-4.
let number (value: float) =
    let text = value.ToString("R", CultureInfo.InvariantCulture)
    let small = Regex.Match(text, @"^(-?)0\.(000+)(\d)(\d*)$")

    if small.Success then
        let part (group: int) = small.Groups[group].Value
        let point = if part 4 = "" then "" else "."
        $"{part 1}{part 3}{point}{part 4}e-{(part 2).Length + 1}"
    else
        Regex.Replace(text, @"E([+-])0*(\d+)$", (fun m -> "e" + m.Groups[1].Value.TrimStart '+' + m.Groups[2].Value))

let private size sides =
    String.Join("x", sides |> List.map (Option.map string >> Option.defaultValue "?"))

let private symbol =
    function
    | Or -> "or"
    | And -> "and"
    | Equal -> "=="
    | NotEqual -> "!="
    | Less -> "<"
    | LessOrEqual -> "<="
    | Greater -> ">"
    | GreaterOrEqual -> ">="
    | Add -> "+"
    | Subtract -> "-"
    | Multiply -> "*"
    | Divide -> "/"

/// A text in quotes.
let quoted (text: string) =
    "\"" + text.Replace("\\", "\\\\").Replace("\"", "\\\"") + "\""

/// Words always stand apart; signs only where blanks are free.
let private joined blanks operator left right =
    match operator with
    | And
    | Or -> $"{left} {symbol operator} {right}"
    | _ when blanks -> $"{left} {symbol operator} {right}"
    | _ -> left + symbol operator + right

let rec private write blanks (expression: Expression) =
    match expression.Kind with
    | Number value -> number value
    | Size sides -> size sides
    | Text text -> quoted text
    | Word word -> word
    | Member(value, part) -> $"{value.Text}.{part.Text}"
    | Call(name, arguments) -> name.Text + "(" + String.Join(", ", arguments |> List.map (write true)) + ")"
    | Matrix rows ->
        let row entries =
            String.Join(" ", entries |> List.map (write false))

        "[" + String.Join("; ", rows |> List.map row) + "]"
    | Unary(Negate, operand) -> "-" + write blanks operand
    | Unary(Not, operand) -> "not " + write blanks operand
    | Binary(operator, left, right) -> joined blanks operator (write blanks left) (write blanks right)
    | Parenthesised inner -> "(" + write true inner + ")"

/// An expression as it stands in a statement of its own.
let expression = write true

/// An expression as an argument: no blanks outside its parentheses.
let tight = write false
